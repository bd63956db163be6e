"""A printed table whose lines a terminal, a container's log or a quotation broke at a width, with its lines whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

_COLOUR = re.compile(r"(?:\x1b|\^\[)?\[[0-9;]+m")
_FRAME = re.compile(r"^(?P<before>.*?)(?P<frame>\+[-=+]*)$")
_REST = re.compile(r"[-=+]+")
_TITLE_BARS = 2


@dataclass(frozen=True)
class Line:
    """A line of the table with the number of the line of the text where it begins, from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class _Break:
    """How lines were broken: what stands before each line, the width, the length of a whole line, places of bars.

    `carried` says that every piece of a line has the prefix, not only the first.
    """

    before: re.Pattern[str]
    carried: bool
    width: int
    length: int
    bars: tuple[int, ...]


def unwrapped(text: str) -> list[Line]:
    """The lines without colours; those of a broken table are joined where the frame shows how.

    A frame (`+-----+`) has no blank, so its pieces give the width at which lines were broken, the length of a whole
    line and the places of its bars. Pieces may have lost the blanks at their ends. What does not fit stays as it is.
    """
    lines = [Line(n, _COLOUR.sub("", line)) for n, line in enumerate(text.splitlines(), 1)]
    found = _break(lines)
    if found is None:
        return lines
    if found.carried:
        lines = [Line(line.number, found.before.sub("", line.text, count=1)) for line in lines]
    out: list[Line] = []
    at = 0
    while at < len(lines):
        count, whole = _whole([line.text for line in lines[at : at + found.length]], found)
        out.append(Line(lines[at].number, whole))
        at += count
    return out


def _break(lines: list[Line]) -> _Break | None:
    """From the frames; None where the first is whole or its rest is missing."""
    texts = [line.text.rstrip() for line in lines]
    frames = ((n, match) for n, text in enumerate(texts) if (match := _FRAME.match(text)))
    first, match = next(frames, (0, None))
    if match is None:
        return None
    before, frame = match["before"], match["frame"]
    pattern = re.compile("^" + re.sub(r"\d", r"\\d", re.escape(before)))
    carried = bool(before) and first + 1 < len(texts) and pattern.match(texts[first + 1]) is not None
    bare = [pattern.sub("", text, count=1) if carried else text for text in texts]
    whole = frame + _rest_of_frame(frame, bare[first + 1 :])
    if whole == frame:
        return None
    lead = 0 if carried else len(before)
    bars: tuple[int, ...] = ()
    for n, text in enumerate(bare):
        start = _FRAME.match(text)
        if not bars and start and len(start["before"]) == lead:
            cut = text + _rest_of_frame(start["frame"], bare[n + 1 :])
            bars = tuple(at for at, sign in enumerate(cut) if sign == "+") if cut.count("+") > _TITLE_BARS else ()
    return _Break(pattern, carried, lead + len(frame), lead + len(whole), bars)


def _rest_of_frame(frame: str, below: list[str]) -> str:
    """What the next lines add to a broken frame, up to its last `+`; empty where it is whole."""
    whole = frame
    for piece in takewhile(_REST.fullmatch, below):
        if whole.endswith("+") and piece.startswith("+"):
            break
        whole += piece
    return whole[len(frame) :] if whole.endswith("+") else ""


def _whole(pieces: list[str], found: _Break) -> tuple[int, str]:
    """How many of these lines make up the first one, and that one; 1 and the line itself where that is not known."""
    first = pieces[0]
    body = first if found.carried else found.before.sub("", first, count=1)
    if not body.startswith(("|", "+")):
        return 1, first
    count = -(-found.length // found.width)
    if _is_cut(pieces[:count], count, found):
        whole = _cut(pieces[:count], found)
        return (1, first) if whole is None else (count, whole)
    bars = _TITLE_BARS if "npu-smi" in body else len(found.bars)
    lead = found.before.pattern.count("|") if not found.carried else 0
    for number in range(2, len(pieces) + 1):
        words = " ".join(piece.strip() for piece in pieces[:number])
        if len(words) > found.length:
            break
        if words.endswith("|") and words.count("|") - lead == bars:
            return number, words
    return 1, first


def _is_cut(pieces: list[str], count: int, found: _Break) -> bool:
    """Whether these can be the pieces of a line that was cut at the width, whatever stood there."""
    *full, last = pieces
    fits = len(last.rstrip()) <= found.length - found.width * (count - 1) and last.rstrip().endswith(("|", "+"))
    return len(pieces) == count and fits and all(len(piece) <= found.width for piece in full)


def _cut(pieces: list[str], found: _Break) -> str | None:
    """The line of these pieces; None where it is not certain."""
    whole = pieces[0].ljust(found.width)
    for piece in pieces[1:-1]:
        placed = _placed(piece, len(whole), found)
        if placed is None:
            return None
        whole += placed
    return whole + pieces[-1].rstrip().rjust(found.length - len(whole))


def _placed(piece: str, start: int, found: _Break) -> str | None:
    """A piece between two others at its place in the line: blanks lost before it and after it look alike.

    Its bars decide, else None.
    """
    lost = found.width - len(piece)
    if lost <= 0 or not piece:
        return piece.ljust(found.width)
    bars = {at - start for at in found.bars if start <= at < start + found.width}
    here = [at for at, sign in enumerate(piece) if sign in "|+"]
    fits = [n for n in range(lost + 1) if here and {at + n for at in here} <= bars]
    return (" " * fits[0] + piece).ljust(found.width) if len(fits) == 1 else None
