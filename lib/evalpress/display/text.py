"""Untrusted text, made safe to print: in HTML, in Markdown, and for a reader (invisible characters are shown).

Three guarantees, for any string:

- no character that a reader cannot see (controls, text direction marks, lone surrogates) reaches a page;
- in HTML it is text only;
- in Markdown (CommonMark and GitHub's tables) it is text or a code span, on one line.
"""

from __future__ import annotations

import html
import re
import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_KEPT = frozenset("\n\t\u200c\u200d")  # the two joiners are part of Persian words and of emoji
_SPECIAL = re.compile(r"[\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_])")
_ENTITY = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"}
_BLOCK_START = re.compile(r"^(?:( *)(?=[#+\-=])|( *\d+)(?=[.)](?: |$)))")
_INDENT = re.compile(r"^ {2,}")
_SCHEME = re.compile(r":(?=//)")
_WIDE_BLANKS = re.compile(r"^ +| {2,}| +$")
_BACKTICKS = re.compile(r"`+")


def visible(text: str) -> str:
    """`text` with every invisible character written out as ⟨U+202E⟩; newlines and tabs stay.

    Control characters end an HTML parse in an error, direction marks turn the words around them, and a lone
    surrogate cannot be written as UTF-8 at all: a reader of the report must see that they were there.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(ch if _is_visible(ch) else f"⟨U+{ord(ch):04X}⟩" for ch in text)


def without_surrogates(text: str) -> str:
    """`text` with every lone surrogate written out as ⟨U+D800⟩: what UTF-8, and so a column of pandas, can hold."""
    if text.isascii():
        return text
    return "".join(f"⟨U+{ord(ch):04X}⟩" if unicodedata.category(ch) == "Cs" else ch for ch in text)


def _is_visible(ch: str) -> bool:
    point = ord(ch)
    never_a_character = point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF
    return ch in _KEPT or not (never_a_character or unicodedata.category(ch) in _INVISIBLE)


def first_line(text: str) -> str:
    """The first line that is not blank; the whole text where there is none."""
    return next((line for line in text.split("\n") if line.strip()), text)


def one_line(text: str) -> str:
    """`text` on one line: ↵ for a newline, ⇥ for a tab, other invisible characters as in `visible`."""
    return visible(text).replace("\n", "↵").replace("\t", "⇥")


def escape_html(text: str) -> str:
    """`text` as HTML text or attribute value."""
    return html.escape(visible(text))


def escape_markdown(text: str) -> str:
    """`text` as running Markdown text on one line, also inside a table cell: nothing in it is markup."""
    flat = visible(text).replace("\n", " ").replace("\t", " ")
    flat = _SPECIAL.sub(lambda match: "\\" + match[0], flat)
    flat = "".join(_ENTITY.get(ch, ch) for ch in flat)
    flat = _SCHEME.sub("&#58;", flat)
    return _BLOCK_START.sub(r"\g<0>\\", _INDENT.sub(" ", flat))


def code(text: str) -> str:
    """`text` as a Markdown code span: the way to put model output, paths or names into a sentence.

    In a table `in_table` keeps its pipes. A backslash before a pipe cannot be written there in every dialect: such a
    text becomes plain text in which every ASCII sign is a character reference, which CommonMark never takes for
    structure.
    """
    flat = one_line(text)
    if not flat:
        return "(empty)"
    if "\\|" in flat:
        return _WIDE_BLANKS.sub(lambda run: "&#32;" * len(run[0]), "".join(map(_referenced, flat)))
    runs = {len(run) for run in _BACKTICKS.findall(flat)}
    ticks = "`" * next(n for n in range(1, len(runs) + 2) if n not in runs)
    pad = " " if flat.strip() and (flat[0] in " `" or flat[-1] in " `") else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def in_table(markdown: str) -> str:
    """Markdown of ours as a cell of a table: a pipe in a code span is no border."""
    return markdown.replace("|", "\\|")


def _referenced(ch: str) -> str:
    return ch if not ch.isascii() or ch.isalnum() or ch in " ," else f"&#{ord(ch)};"


def fence(text: str, language: str = "") -> str:
    """`text` as a fenced Markdown block that no run of backticks inside it can close."""
    shown = visible(text)
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def fold(summary: str, body: str) -> str:
    """Markdown folded under a line that a reader opens, as GitHub shows it: the only HTML in a Markdown report."""
    return f"<details><summary>{escape_html(one_line(summary))}</summary>\n\n{body}\n\n</details>"
