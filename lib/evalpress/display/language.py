"""The language in which texts are shown. The library's own language is English; other languages have a catalogue.

Texts are written in English everywhere, also in results files. They are translated where they become a page: the
display objects call `translated` and `sentence`. Code, model output and prompts are never translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from evalpress.display import catalogue

LANGUAGES: Final = ("en", "zh")
TAGS: Final = {"en": "en", "zh": "zh-CN"}
"""The value of `<html lang>`."""
NAMES: Final = {"en": "English", "zh": "中文"}
"""The name of each language in that language."""
OTHERS: Final = LANGUAGES[1:]
T = TypeVar("T")
_current: ContextVar[str] = ContextVar("language", default="en")
_SLOT_ZERO = 0xE000
_SLOT = re.compile("([\ue000-\ue0ff])")
_HTML = re.compile(r'<html lang="([\w-]+)"')
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_BOLD = re.compile(r"\*\*(.+?)\*\*(.*)", re.DOTALL)
_MARKS = re.compile(r"(\s*(?:[#>]+ |[-*] |\d+\. )?)(.*)", re.DOTALL)


def current() -> str:
    """The language in which texts are shown now."""
    return _current.get()


@contextmanager
def using(language: str) -> Iterator[None]:
    """Show texts in `language` inside the block.

    Raises:
        ValueError: there is no such language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language: found {language!r}, allowed {', '.join(LANGUAGES)}")
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def translated(text: str) -> str:
    """A text of the library in the current language; a text that is not in its catalogue is unchanged."""
    if current() == "en":
        return text
    return _catalogue(current()).text(text)


def sentence(parts: Sequence[T | str]) -> list[T | str]:
    """The parts of a sentence in the current language and in its order; what is no text stays whole.

    Args:
        parts: texts and other things one after the other, such as `("Decide one with ", Code(command), ".")`.
    """
    if current() == "en":
        return list(parts)
    whole = "".join(one if isinstance(one, str) else chr(_SLOT_ZERO + index) for index, one in enumerate(parts))
    pieces = _SLOT.split(translated(whole))
    return [parts[ord(piece) - _SLOT_ZERO] if index % 2 else piece for index, piece in enumerate(pieces) if piece]


def markdown(source: str) -> str:
    """Markdown of ours in the current language, line by line; code blocks stay."""
    if current() == "en":
        return source
    lines, fence = [], ""
    for line in source.split("\n"):
        mark = _FENCE.match(line)
        found = None if fence or mark else _MARKS.fullmatch(line)
        lines.append(f"{found[1]}{_paragraph(found[2])}" if found else line)
        if fence and mark and mark[1].startswith(fence):
            fence = ""
        elif mark and not fence:
            fence = mark[1]
    return "\n".join(lines)


def _paragraph(text: str) -> str:
    """A paragraph of Markdown; one that is not in the catalogue as a whole may begin with a name in bold letters."""
    bold = _BOLD.fullmatch(text)
    name = translated(bold[1]) if bold else ""
    return translated(text) if bold is None or name == bold[1] else f"**{name}**{translated(bold[2])}"


def phrase(msgid: str, **values: object) -> str:
    """A text of ours in the current language, with its values: `phrase("Printed by {name}", name="evalpress")`."""
    found = _messages(current()).get(msgid, msgid) if current() != "en" else msgid
    return found.format(**values) if values else found


def labelled(label: str, text: str) -> str:
    """A name and what is said of it, with the colon of the current language."""
    return f"{label}{'：' if current() == 'zh' else ': '}{text}"


def enumerated(names: Iterable[str]) -> str:
    """Names one after the other, with the comma that the current language has between them."""
    return ("、" if current() == "zh" else ", ").join(names)


def of_page(page: str) -> str:
    """The language of a page of ours by its `<html lang>`; en where it names no other."""
    found = _HTML.search(page)
    name = found[1].split("-")[0] if found else ""
    return name if name in LANGUAGES else "en"


def catalogues() -> list[Path]:
    """The files of all catalogues: their content decides what a page looks like."""
    return [catalogue.path(language) for language in OTHERS]


@cache
def _catalogue(language: str) -> catalogue.Catalogue:
    return catalogue.Catalogue(_messages(language))


@cache
def _messages(language: str) -> dict[str, str]:
    """Every msgid of a language's catalogue with its translation; those without one, and fuzzy ones, left out."""
    from babel.messages.pofile import read_po

    with catalogue.path(language).open("rb") as file:
        found = read_po(file, locale=language)
    return {str(one.id): str(one.string) for one in found if one.id and one.string and not one.fuzzy}
