"""Bring the catalogues of `lib/evalpress/locale` up to the texts of the library, the templates and the notebooks.

    python scripts/messages.py            extract and update (make messages)
    python scripts/messages.py --check    exit 1 where a catalogue lacks a text, has one too many, or a value differs

A msgid is a text as it is in the source: of f"{n} of {len(all)} answers" the msgid is "{n} of {all} answers". A text
with alternatives in it (f"{n} case{'' if n == 1 else 's'}") gives one msgid for each.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product

import yaml
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from evalpress.core.paths import NOTEBOOKS, ROOT
from evalpress.display.catalogue import DOMAIN, LOCALE, fields, path
from evalpress.display.language import OTHERS

LIBRARY = ROOT / "lib" / "evalpress"
NOT_SHOWN = frozenset({"cli", "core", "demo", "params", "run", "reconcile", "recipes.py", "log_lines.py"})
NOT_SHOWN |= {"memory_lines.py", "figure_style.py", "figure_text.py", "failure.py", "__main__.py"}
"""Without texts of a report: the terminal's, patterns of logs, names of fonts."""
NO_TEXTS = frozenset(
    {
        "UserError",
        "MeasurementError",
        "ValueError",
        "TypeError",
        "Field",
        "getattr",
        "compile",
        "say",
        "get",
        "pick",
        "described",
        "Code",
        "code",
        "snippet",
    }
)
"""Calls whose arguments are messages of the terminal, patterns or keys."""
WORDS = LOCALE / "words.txt"
"""Single words, and names made of keys at run time, one a line; a test finds those that a report lacks."""
OLDER = LOCALE / "older.txt"
"""Texts of earlier versions, one a line: results that were measured then hold them."""
_SHOWN_ONLY = re.compile(r"tables|figure|/notebooks/|^notebooks/|templates|/display/|/report/|params/|\.txt$")
_MARKED = re.compile(r"""\b(?:_|say)\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_NO_TEXT = re.compile(
    r"</?[a-z]+|\\[swdb]|^--|^[#.@]|\(\?[:P<=!]|^[a-z]+(?:-[a-z]+)+: |;$|\{$|\bimport \w+\n"
    r"|\.\*|\\\(|%[sd]|\[[0-9A-Z]|\[Cc\]|\[\\u|\[ \uff0c|^make |^Name: |^\^|^_"
    r"|^(?:Starting to load model|Application startup complete)$"
)
"""Markup, patterns, arguments, style sheets and programs."""
_MOST = 16
"""Alternatives of one text."""


class Field(str):
    """The name of a value in a text."""


Parts = tuple[str, ...]


def extracted() -> dict[str, list[str]]:
    """Every msgid with the files that it is in."""
    found: dict[str, list[str]] = {}
    for file, texts in _sources():
        for text in texts:
            if (msgid := text.strip()) and file not in found.setdefault(msgid, []):
                found[msgid].append(file)
    return found


def _sources() -> Iterator[tuple[str, Iterator[str]]]:
    for file in sorted(LIBRARY.rglob("*.py")):
        place = file.relative_to(LIBRARY)
        if NOT_SHOWN.isdisjoint(place.parts):
            yield str(file.relative_to(ROOT)), of_python(file.read_text(encoding="utf-8"))
    for file in sorted([*LIBRARY.rglob("*.j2"), *LIBRARY.rglob("*.js")]):
        yield str(file.relative_to(ROOT)), of_template(file.read_text(encoding="utf-8"))
    for file in sorted(NOTEBOOKS.glob("[0-8]*.ipynb")) + [NOTEBOOKS / "90_summary.ipynb"]:
        yield str(file.relative_to(ROOT)), of_notebook(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "params").glob("*.yaml")):
        yield str(file.relative_to(ROOT)), of_params(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "params").rglob("*.yaml")):
        yield str(file.relative_to(ROOT)), of_prompts(file.read_text(encoding="utf-8"))
    for file in (WORDS, OLDER):
        yield str(file.relative_to(ROOT)), iter(file.read_text(encoding="utf-8").splitlines())


def of_template(source: str) -> Iterator[str]:
    """Texts marked as `_("…")` in a template, `say("…")` in the script."""
    return ((first or second).replace('\\"', '"') for first, second in _MARKED.findall(source))


def of_notebook(source: str) -> Iterator[str]:
    """The headings and paragraphs of a notebook's Markdown."""
    for cell in json.loads(source)["cells"]:
        if cell["cell_type"] == "markdown":
            yield from (re.sub(r"^#+ ", "", line) for line in "".join(cell["source"]).split("\n"))


def of_prompts(source: str) -> Iterator[str]:
    """What rules ask a reviewer."""
    return iter(re.findall(r'\blook_at: "([^"]+)"', source))


def of_params(source: str) -> Iterator[str]:
    """The title and the description of a set."""
    found = yaml.safe_load(source)
    return (str(found[key]).strip() for key in ("title", "description") if found.get(key))


def of_python(source: str) -> Iterator[str]:
    """The texts of a module: strings with words in them that are no keys, patterns or messages of errors."""
    for parts in _texts(ast.parse(source)):
        bare = "".join(part for part in parts if not isinstance(part, Field)).strip()
        if _LETTERS.search(bare) and re.search(r"\s", bare) and not _NO_TEXT.search(msgid_of(parts).strip()):
            yield msgid_of(parts)


def msgid_of(parts: Parts) -> str:
    """The parts as one text, values as {name}; of equal names the second is {name_2}."""
    seen: Counter[str] = Counter()
    text = ""
    for part in parts:
        if isinstance(part, Field):
            seen[part] += 1
            text += f"{{{part}}}" if seen[part] == 1 else f"{{{part}_{seen[part]}}}"
        else:
            text += part
    return text


def _texts(node: ast.AST) -> Iterator[Parts]:
    if isinstance(node, ast.Raise | ast.Assert | ast.Compare | ast.arguments):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Call) and _name(node.func) in NO_TEXTS:
        return
    if isinstance(node, ast.Constant | ast.JoinedStr):
        yield from _alternatives(node)
    if isinstance(node, ast.Tuple) and _is_sentence(node):
        yield from _of_tuple(node)
    for child in _children(node):
        yield from _texts(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.JoinedStr):
        return (part.value for part in node.values if isinstance(part, ast.FormattedValue))
    if isinstance(node, ast.Dict):
        return iter(node.values)
    if isinstance(node, ast.Subscript | ast.AnnAssign):
        return iter([node.value] if node.value else [])
    if isinstance(node, ast.FunctionDef):
        return iter(node.body)
    return ast.iter_child_nodes(node)


def _is_sentence(node: ast.Tuple) -> bool:
    """Whether a tuple is a sentence with things in it: `("Decide one with ", Code(…))`."""
    texts = [one.value for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return len(texts) < len(node.elts) and any(re.search(r"\s$|^\s", text) and _LETTERS.search(text) for text in texts)


def _of_tuple(node: ast.Tuple) -> Iterator[Parts]:
    choices = [list(_alternatives(one)) or [(Field(_named(one)),)] for one in node.elts]
    return (tuple(part for parts in chosen for part in parts) for chosen in islice(product(*choices), _MOST))


def _alternatives(node: ast.expr) -> Iterator[Parts]:
    """The texts that a string, an f-string or a choice between such may be; nothing for anything else."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield (node.value,)
    elif isinstance(node, ast.JoinedStr):
        choices = [list(_of_part(part)) for part in node.values]
        yield from (tuple(one for parts in chosen for one in parts) for chosen in islice(product(*choices), _MOST))
    elif isinstance(node, ast.IfExp):
        both = [list(_alternatives(node.body)), list(_alternatives(node.orelse))]
        if all(both):
            yield from (parts for found in both for parts in found)


def _of_part(part: ast.expr) -> Iterator[Parts]:
    if isinstance(part, ast.FormattedValue):
        found = list(_alternatives(part.value)) if part.format_spec is None else []
        yield from found or [(Field(_named(part.value)),)]
    else:
        yield from _alternatives(part)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _named(node: ast.expr) -> str:
    """A name for the value of an expression: of `fmt(row.total, "s")` it is "total"."""
    if isinstance(node, ast.Name | ast.Attribute):
        return _name(node).strip("_").lower() or "value"
    if isinstance(node, ast.Call):
        inner = [_named(one) for one in node.args]
        outer = _named(node.func.value) if isinstance(node.func, ast.Attribute) else _name(node.func).strip("_")
        return next((one for one in [*inner, outer] if one != "value"), "value").lower()
    if isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return key.lower() if isinstance(key, str) and key.isidentifier() else _named(node.value)
    if isinstance(node, ast.BinOp):
        return next((one for one in (_named(node.left), _named(node.right)) if one != "value"), "value")
    return "value"


def template() -> Catalog:
    """The catalogue of msgids without translations."""
    found = Catalog(project="evalpress", header_comment="# Texts of evalpress.", charset="utf-8")
    for msgid, files in extracted().items():
        found.add(msgid, locations=[(file, 0) for file in files])
    return found


def update(language: str) -> None:
    """Bring a language's catalogue up to the texts: new ones without translation, old ones gone.

    A text that results may hold is not gone: it goes to `older.txt`.
    """
    with path(language).open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    wanted = extracted()
    older = [str(one.id) for one in catalogue if one.id and one.id not in wanted and _is_stored(one)]
    if older:
        told = [text for text in older if "\n" not in text]
        OLDER.write_text("\n".join([*OLDER.read_text(encoding="utf-8").splitlines(), *told]) + "\n", encoding="utf-8")
    catalogue.update(template(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    with path(language).open("wb") as file:
        write_po(file, catalogue, width=120, include_lineno=False, omit_header=True)


def _is_stored(message: Message) -> bool:
    """Whether results files may hold a text: it has a translation and is not in modules that only show."""
    return bool(message.string) and any(not _SHOWN_ONLY.search(file) for file, _ in message.locations)


def mistakes(language: str) -> list[str]:
    """Texts without a translation, translations of texts that are gone, fuzzy ones, and those with other values."""
    wanted = extracted()
    with path(language).open("rb") as file:
        there = {str(one.id): one for one in read_po(file, locale=language) if one.id}
    told = [f"missing: {msgid}" for msgid in wanted if msgid not in there or not there[msgid].string]
    told += [f"stale: {msgid}" for msgid in there if msgid not in wanted]
    told += [f"fuzzy: {msgid}" for msgid, one in there.items() if one.fuzzy]
    return told + [
        f"other values: {msgid}: {one.string}"
        for msgid, one in there.items()
        if one.string and fields(msgid) != fields(str(one.string))
    ]


def main() -> int:
    found = []
    for language in OTHERS:
        if "--check" not in sys.argv:
            update(language)
        found += [f"{language}: {line}" for line in mistakes(language)]
    print("\n".join([*found, f"{len(extracted())} texts, {len(found)} mistakes"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
