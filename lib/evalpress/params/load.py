"""From a set's name to typed parameters: layering (`extends`), validation, one clear line per mistake."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalpress.core import names, secrets
from evalpress.core.errors import UserError
from evalpress.core.paths import PARAMS, ROOT, expanded, resolve, told
from evalpress.core.plain import Json
from evalpress.core.validation import KeyPath, dotted, found, mistakes
from evalpress.core.yaml12 import load_yaml
from evalpress.params import overrides
from evalpress.params.place import Place
from evalpress.params.schema import Params

Origin = dict[KeyPath, Place]


def available_sets() -> list[str]:
    """Names of the sets under `params/`, without the shared base."""
    return sorted(path.stem for path in PARAMS.glob("*.yaml") if path.stem != "base")


def find(set_name: str) -> Path:
    """The params file of a set: a name under `params/`, or a path relative to the working folder or to the project.

    Raises:
        UserError: there is no such file, or a set cannot have this name.
    """
    if set_name.endswith((".yaml", ".yml")):
        places = [Path.cwd() / expanded(set_name), resolve(set_name)]
    else:
        if why := names.refused(set_name):
            raise UserError(f"set {set_name!r}: not the name of a set: {why}")
        places = [PARAMS / f"{set_name}.yaml"]
    found = next((path for path in places if _is_file(path)), None)
    if found is None:
        close = difflib.get_close_matches(set_name, available_sets(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        looked = " and ".join(dict.fromkeys(str(path.parent.resolve()) for path in places))
        sets = ", ".join(available_sets())
        raise UserError(f"set {set_name!r}: no such params file in {looked}; available: {sets}{hint}")
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False


def load(set_name: str, overriding: Mapping[str, Any] | None = None) -> Params:
    """Typed parameters of a set.

    Args:
        set_name: as for `find`.
        overriding: values by dotted key that replace those of the file, checked as the file is.

    Raises:
        UserError: one line per mistake, each naming file, line, key, what was found and what is allowed.
    """
    path = find(set_name)
    data, origin = _layers(path, ())
    given = dict(overriding or {})
    over, places = overrides.layer(given)
    data, origin = _merge(data, over), {**origin, **places}
    data.setdefault("set", path.stem)
    try:
        params = Params.model_validate(_tuples(data)).stated_at(origin, given)
    except ValidationError as error:
        raise UserError("\n".join(mistakes(error, Params, lambda key: _place(key, origin, path)))) from None
    for key, name in referenced_files(params):
        if not _is_file(resolve(name)):
            raise UserError(f"{params.where(dotted(key))}: file {name[:200]!r} not found")
    secrets.remember(params.model_dump(mode="json"))
    secrets.remember([params.engine.model_dump(mode="json"), params.serving.base_url], inside=True)
    secrets.remember_environment()
    return params


def referenced_files(params: Params) -> list[tuple[KeyPath, str]]:
    """Every file that a report reads besides its set: prompts, cases, people's verdicts, claims, reference logits."""
    speculation = params.benchmark.features.speculation
    lists: list[tuple[KeyPath, tuple[str, ...]]] = [
        (("benchmark", "features", "speculation", "prompts"), speculation.prompts if speculation else ()),
        (("evidence", "prompts"), params.evidence.prompts),
        (("alignment", "prompts"), params.alignment.prompts),
        (("quality", "cases"), params.quality.cases),
        (("claims",), params.claims),
    ]
    found: list[tuple[KeyPath, str]] = [((*key, i), name) for key, names in lists for i, name in enumerate(names)]
    reviews = PARAMS / "reviews" / f"{params.set}.yaml"
    if reviews.is_file():
        found.append((("quality", "reviews"), str(reviews)))
    found += _standard_tasks(params)
    if params.quality.compare_with:
        found.append((("quality", "compare_with"), params.quality.compare_with))
    if params.alignment.reference_logits:
        found.append((("alignment", "reference_logits"), params.alignment.reference_logits))
    return found


def _standard_tasks(params: Params) -> list[tuple[KeyPath, str]]:
    """The files behind the set's standard tasks; a missing folder is listed itself."""
    lm_eval = params.quality.lm_eval
    found: list[tuple[KeyPath, str]] = []
    if lm_eval.tasks and lm_eval.references:
        found.append((("quality", "lm_eval", "references"), lm_eval.references))
    if lm_eval.tasks and lm_eval.include_path:
        key: KeyPath = ("quality", "lm_eval", "include_path")
        files = sorted(path for path in resolve(lm_eval.include_path).rglob("*") if path.is_file())
        names = [str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path) for path in files]
        found += [((*key, name), name) for name in names] or [(key, lm_eval.include_path)]
    return found


def _layers(path: Path, seen: tuple[Path, ...]) -> tuple[Json, Origin]:
    """The file merged over what it extends, and where each key came from."""
    if path in seen:
        raise UserError(f"{told(path)}: extends itself ({' -> '.join(told(p) for p in (*seen, path))})")
    data, marks = load_yaml(path)
    if not isinstance(data, dict):
        raise UserError(f"{told(path)}: a mapping of keys is expected, found {found(data)}")
    base: Json = {}
    origin: Origin = {}
    parent = data.pop("extends", None)
    if parent is not None:
        at = f"{told(path)}:{marks[('extends',)]}: extends"
        if not isinstance(parent, str):
            raise UserError(f"{at}: found {found(parent)}, allowed the name of a set")
        beside, shared = path.parent / f"{parent}.yaml", PARAMS / f"{parent}.yaml"
        there = next((file for file in (beside, shared) if _is_file(file)), None)
        if there is None:
            raise UserError(f"{at}: {parent[:200]!r} found neither beside the file nor in {told(PARAMS)}/")
        base, origin = _layers(there, (*seen, path))
    origin.update({key: Place(path, line) for key, line in marks.items() if key})
    return _merge(base, _found_beside(data, path.parent.resolve())), origin


_Names = Sequence[tuple[str, ...]]
_FILES: _Names = (
    ("benchmark", "features", "speculation", "prompts"),
    ("evidence", "prompts"),
    ("alignment", "prompts"),
    ("alignment", "reference_logits"),
    ("quality", "cases"),
    ("quality", "compare_with"),
    ("quality", "lm_eval", "references"),
    ("quality", "lm_eval", "include_path"),
    ("serving", "ca_file"),
    ("claims",),
)
"""Keys whose values name files, one or a list of them."""


def _found_beside(data: Json, folder: Path, files: _Names = _FILES) -> Json:
    """The same values, names of files that are in the folder of the params file with that folder."""
    changed = dict(data)
    for key in {key[0] for key in files} & data.keys():
        inner = [rest[1:] for rest in files if rest[0] == key and len(rest) > 1]
        value = data[key]
        if inner and isinstance(value, dict):
            changed[key] = _found_beside(value, folder, inner)
        elif not inner:
            several = isinstance(value, list)
            changed[key] = [_beside(one, folder) for one in value] if several else _beside(value, folder)
    return changed


def _beside(name: Any, folder: Path) -> Any:
    """A name relative to the folder as one relative to the project, or absolute, where there is such a file."""
    if not isinstance(name, str) or not name or Path(expanded(name)).is_absolute():
        return name
    path = folder / name
    try:
        there = path.exists()
    except (OSError, ValueError):
        return name
    return (str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)) if there else name


def _merge(base: Json, over: Json) -> Json:
    """Mappings merge key by key; everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _tuples(value: Any) -> Any:
    """Lists as tuples: the frozen models hold tuples and are strict about it."""
    if isinstance(value, dict):
        return {key: (item if key in ("extra", "compilation_config") else _tuples(item)) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _place(key: KeyPath, origin: Origin, path: Path) -> Place:
    """Where the innermost key on the way to `key` was stated."""
    return next((origin[key[:n]] for n in range(len(key), 0, -1) if key[:n] in origin), Place(path))
