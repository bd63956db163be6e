"""Results files: versioned JSON, validated when written and when read, written atomically.

Every file is `{"schema", "created", "provenance", "params", "data"}`; numbers are JSON numbers, a value
that could not be measured is `null` beside a `<key>_why`, and NaN or infinity never pass.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from evalpress.core import secrets
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest
from evalpress.core.paths import shown
from evalpress.core.plain import Fields, Json
from evalpress.core.validation import mistakes

VERSION = 1
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHY = "_why"


class Model(BaseModel):
    """A part of a section's results: frozen, no unknown keys, units in the fields' descriptions.

    A field `x: float | None` beside `x_why: str | None = None` is a value that may not be measurable: where it is
    None, the reason must be given; where it is not, the reason is left out of the file. An optional field without a
    `_why` beside it is one that does not always apply: None leaves it out of the file.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        populate_by_name=True,
        ser_json_inf_nan="constants",
        use_attribute_docstrings=True,
    )

    def __repr__(self) -> str:
        """One line per field, long values by their size: made to be read in a notebook."""
        shown = [f"{name}={_brief(getattr(self, name))}" for name in type(self).model_fields]
        one = f"{type(self).__name__}({', '.join(shown)})"
        return one if len(one) <= 100 else f"{type(self).__name__}(\n" + "".join(f"    {s},\n" for s in shown) + ")"

    __str__ = __repr__

    def without(self, keys: Iterable[str], why: str) -> Self:
        """A copy in which these values are null, each with the reason."""
        return self.model_copy(update=nulls(keys, why))

    @model_validator(mode="before")
    @classmethod
    def _no_reason_for_a_known_value(cls, data: Any) -> Any:
        """A reason that is there by default is that of older files without the value."""
        if not isinstance(data, dict) or not (late := _default_reasons(cls)):
            return data
        return {why: None for name, why in late if data.get(name) is not None} | data

    @model_validator(mode="after")
    def _reasons(self) -> Self:
        for name in type(self).model_fields:
            why = name + _WHY
            if why in type(self).model_fields and getattr(self, name) is None and not getattr(self, why):
                raise ValueError(f"{name} is null without {why}")
        return self

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, handler: SerializerFunctionWrapHandler) -> Json:
        fields = type(self).model_fields
        found: Json = handler(self)
        return {key: value for key, value in found.items() if value is not None or key + _WHY in fields}


@cache
def _default_reasons(model: type[Model]) -> tuple[tuple[str, str], ...]:
    """Fields whose reason has a default, each with the name of the reason."""
    fields = model.model_fields
    return tuple((name, name + _WHY) for name in fields if name + _WHY in fields and fields[name + _WHY].default)


def _brief(value: Any) -> str:
    """A value in at most 80 characters: what it holds, or how much."""
    if isinstance(value, BaseModel):
        return f"{type(value).__name__}(…)"
    if isinstance(value, dict):
        keys = ", ".join(map(str, value))
        return f"{{{keys}}}" if len(keys) <= 76 else f"{{… {len(value)} keys}}"
    if isinstance(value, list | tuple):
        simple = not any(isinstance(item, BaseModel | dict | list) for item in value)
        whole = repr(value) if simple and len(value) <= 20 else ""
        return whole if whole and len(whole) <= 80 else f"[… {len(value)} items]"
    whole = repr(value)
    return whole if len(whole) <= 80 else f"{whole[:79]}…"


class Results(Model):
    """What one section measured: the base of `Results` in each section's `results.py`.

    A change of `VERSION` comes with a `migrate` that reads the older form, or refuses it.
    """

    VERSION: ClassVar[int] = VERSION

    @classmethod
    def migrate(cls, data: Json, version: int) -> Json:
        """Today's form of `data` as an older version wrote it.

        Raises:
            ValueError: there is no way from that version; the section must be measured again.
        """
        raise ValueError(f"version {version} is not read any more, measure the section again")


T = TypeVar("T")


class Document(Model, Generic[T]):
    """One results file."""

    schema_: str = Field(alias="schema")
    """evalpress/<section>/<version>."""
    created: str
    """ISO-8601, UTC."""
    provenance: Json
    params: Json
    data: T


def nulls(keys: Iterable[str], why: str) -> Fields:
    """These keys as null, each with the reason beside it."""
    return {name: value for key in keys for name, value in ((key, None), (key + _WHY, why))}


def now() -> str:
    """This moment as ISO-8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path: Path, section: str, data: T, params: Json, provenance: Json) -> Document[T]:
    """Validate and write one section's results; returns the document as written.

    Raises:
        MeasurementError: a number is not finite, or a null has no `_why`.
    """
    version = data.VERSION if isinstance(data, Results) else VERSION
    head = {"schema": f"evalpress/{section}/{version}", "created": now()}
    document = Document[Any].model_validate(head | {"provenance": provenance, "params": params, "data": data})
    plain = as_written(document)
    check_values(plain["data"], section)
    plain["provenance"]["data_digest"] = digest(plain["data"])
    write_json(path, plain)
    return document.model_copy(update={"provenance": plain["provenance"]})


def as_written(document: Document[T]) -> Json:
    """The JSON value of a results file, without secrets, as reading gives it back."""
    found: Json = json.loads(json.dumps(secrets.scrubbed(document.model_dump(mode="json", by_alias=True))))
    return found


def is_edited(document: Document[T]) -> bool:
    """Whether the data are not those that were written."""
    return bool(document.provenance.get("data_digest") != digest(as_written(document)["data"]))


def check_values(value: Any, at: str) -> None:
    """Refuse numbers that are not finite and nulls without a reason (in mappings)."""
    if isinstance(value, dict):
        for key, item in value.items():
            if item is None and f"{key}_why" not in value:
                raise MeasurementError(f"{at}.{key}: is null without {key}_why")
            check_values(item, f"{at}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_values(item, f"{at}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise MeasurementError(f"{at}: {value} is not a finite number")


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader gets the old file or the whole new one, never a part; secrets are hidden.

    Any text can be written and read back: half of a surrogate pair, which UTF-8 lacks, is written as a JSON escape.

    Raises:
        MeasurementError: a number that is not finite, or the file cannot be written.
    """
    try:
        text = json.dumps(secrets.scrubbed(value), ensure_ascii=False, allow_nan=False, indent=1)
    except ValueError as error:
        raise MeasurementError(f"{shown(path)}: not written: {error}") from None
    write_text(path, _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text atomically (temporary file in the same folder, then rename).

    Raises:
        MeasurementError: the file cannot be written (disk full, no permission); an old file stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise MeasurementError(_unwritable(path, error)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise MeasurementError(_unwritable(path, error)) from None
        raise


def _unwritable(path: Path, error: OSError) -> str:
    return f"{shown(path)}: cannot be written: {error.strerror or error}"


def read_json(path: Path) -> Any:
    """The JSON value that a file holds.

    Raises:
        UserError: missing, not readable, or not JSON (NaN and infinity are none).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
    except FileNotFoundError:
        raise UserError(f"{shown(path)}: file not found") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{shown(path)}:{error.lineno}: not readable as JSON: {error.msg}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)}: not readable as JSON: {error}") from None


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def read(path: Path, section: str, model: type[T]) -> Document[T]:
    """Read and validate one section's results.

    Args:
        model: the section's `Results`, or `dict` for plain JSON.

    Raises:
        UserError: missing, not JSON, of another section, of a version that this suite does not know, or not of
            the form that the section writes; one line with file and key.
    """
    document = _document(path)
    at = shown(path)
    version = model.VERSION if issubclass(model, Results) else VERSION
    known = {f"evalpress/{section}/{number}": number for number in range(1, version + 1)}
    found = document.get("schema")
    if found not in known:
        raise UserError(f"{at}: schema: found {found!r}, allowed {f'evalpress/{section}/{version}'!r}")
    try:
        if known[found] < version and issubclass(model, Results):
            document["data"] = model.migrate(document.get("data", {}), known[found])
            document["schema"] = f"evalpress/{section}/{version}"
        return Document[model].model_validate(document)  # type: ignore[valid-type]
    except ValidationError as error:
        raise UserError(mistakes(error, Document[model], lambda _: at)[0]) from None  # type: ignore[valid-type]
    except ValueError as error:
        raise UserError(f"{at}: {error}") from None


def _document(path: Path) -> Json:
    document = read_json(path)
    if not isinstance(document, dict):
        raise UserError(f"{shown(path)}: a results file is a JSON object, found a {type(document).__name__}")
    return document
