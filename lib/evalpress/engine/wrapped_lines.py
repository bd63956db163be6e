"""Lines of a log that a terminal or an e-mail broke in two or more, put together again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalpress.engine.log_lines import Line

_LEVEL = re.compile(r"\b(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_PROCESS = re.compile(r"^\s*\([A-Z]\w*(?:\s+pid=|\s*$)")
_BAR = re.compile(r"^\s*(?:Capturing\b|Loading \w+ checkpoint)")
_MOST = 12
"""A line is put together from at most this many parts, as a narrow terminal breaks the longest ones."""


def joined(lines: Sequence[Line], patterns: Sequence[str]) -> tuple[Line, ...]:
    """The lines, with the parts of each that matches one of `patterns` put together.

    A line is broken between words, where a blank is missing, or anywhere. A line that begins as vLLM's own do, that is
    a progress bar, or that has a time of its own is never the rest of another one.
    """
    known = [re.compile(pattern) for pattern in patterns]
    out: list[Line] = []
    at = 0
    while at < len(lines):
        stamp, text = lines[at]
        whole, used = _whole(text, _rest(lines, at), known)
        out.append((stamp, whole))
        at += 1 + used
    return tuple(out)


def _rest(lines: Sequence[Line], at: int) -> list[str]:
    """The lines after one that may be its rest: none where that one is no line of vLLM's own."""
    stamp, text = lines[at]
    if not _begins(text, ""):
        return []
    found: list[str] = []
    for moment, part in lines[at + 1 : at + _MOST]:
        if moment != stamp or _begins(part, "".join((text, *found))):
            break
        found.append(part)
    return found


def _begins(text: str, before: str) -> bool:
    """Whether a line begins a message; `before` is the message that it would else go on with."""
    level = _LEVEL.search(text)
    if level is None:
        return bool(_PROCESS.search(text) and not _is_open(before)) or _BAR.search(text) is not None
    head = text[: level.start()]
    return head.count(")") <= head.count("(") and not _is_open(before)


def _is_open(before: str) -> bool:
    """Whether a message names processes and has no level yet: the rest of its head is in the next line."""
    return _PROCESS.search(before) is not None and _LEVEL.search(before) is None


def _whole(first: str, parts: Sequence[str], known: Sequence[re.Pattern[str]]) -> tuple[str, int]:
    """A line with as few of the parts after it as have its figures, and how many these are; often none."""
    best, most, used = first, 0, 0
    for glue in ("", " "):
        text = first
        for count, part in enumerate(parts, 1):
            if any(pattern.search(text) and pattern.search(part) for pattern in known):
                break  # a figure of its own
            text = f"{text.rstrip()} {part.strip()}" if glue else text + part
            matching = sum(pattern.search(text) is not None for pattern in known)
            if matching > most:
                best, most, used = text, matching, count
    return (best, used) if most > sum(pattern.search(first) is not None for pattern in known) else (first, 0)
