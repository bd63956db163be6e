"""Headings of the notebooks' Markdown cells: one level down, each with its own anchor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from evalpress.display.language import translated

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_MARKUP = re.compile(r"[`*]|(?<!\w)_|_(?!\w)|\[(?P<text>[^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")


@dataclass(frozen=True)
class Heading:
    """One heading of the merged report. `anchor` is its id in the HTML, `slug` the one GitHub gives it."""

    level: int
    title: str
    anchor: str
    slug: str


@dataclass
class Anchors:
    """Gives out anchors that are unique in the whole report."""

    _used: dict[str, int] = field(default_factory=dict)
    _slugs: dict[str, int] = field(default_factory=dict)

    def heading(self, level: int, title: str, prefix: str) -> Heading:
        """A heading whose anchor is the prefix alone for a section's own title, else prefix and title."""
        wanted = prefix if level == 2 and prefix not in self._used else f"{prefix}-{slug_of(title)}"
        shown = translated(title)  # the anchor is the same in every language, the slug that of the shown title
        return Heading(level, shown, _unique(wanted, self._used), _unique(slug_of(shown), self._slugs))

    def output(self, section: str, kind: str, name: str) -> str:
        """The anchor of a table or figure: section, kind and name."""
        return _unique(f"{section}-{kind}-{slug_of(name)}", self._used)


def _unique(wanted: str, used: dict[str, int]) -> str:
    count = used.get(wanted, 0)
    used[wanted] = count + 1
    return wanted if count == 0 else f"{wanted}-{count}"


def slug_of(title: str) -> str:
    """The anchor that GitHub makes of a title: lower case, punctuation dropped, blanks to hyphens."""
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") or "section"


def plain_title(source: str) -> str:
    """A heading's text without Markdown signs."""
    return _MARKUP.sub(lambda match: match["text"] or "", source).strip()


def demoted(source: str, anchors: Anchors, prefix: str) -> tuple[str, list[Heading]]:
    """A Markdown cell one heading level down, with its headings, and with raw HTML made into text."""
    lines, found = [], []
    for line, is_code in _lines(source):
        match = None if is_code else _HEADING.match(line)
        if match:
            level = min(len(match[1]) + 1, 6)
            found.append(anchors.heading(level, plain_title(match[2]), prefix))
            line = f"{'#' * level} {translated(match[2])}"
        elif not is_code:
            line = translated(line)
        lines.append(line if is_code else without_tags(line))
    return "\n".join(lines), found


def without_tags(line: str) -> str:
    """`line` with every `<` that could open a tag written as a character reference, code spans apart."""
    spans = [match.span() for match in _CODE_SPAN.finditer(line)]
    inside = [any(start <= m.start() < end for start, end in spans) for m in _TAG.finditer(line)]
    flags = iter(inside)
    return _TAG.sub(lambda match: match[0] if next(flags) else "&lt;", line)


def _lines(source: str) -> Iterator[tuple[str, bool]]:
    """Each line with whether it belongs to a fenced code block."""
    fence = ""
    for line in source.split("\n"):
        match = _FENCE.match(line)
        if fence:
            yield line, True
            if match and match[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
            continue
        fence = match[1] if match else ""
        yield line, bool(fence)
