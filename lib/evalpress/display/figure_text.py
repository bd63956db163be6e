"""The labels of a figure in another language, in a font that has its letters."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from functools import cache
from typing import Final

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from evalpress.display.language import translated

_FONTS: Final = {
    "zh": (
        "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
        "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei", "Microsoft YaHei", "PingFang SC", "Heiti SC",
        "Hiragino Sans GB", "Droid Sans Fallback", "Noto Serif CJK SC", "Noto Serif CJK JP", "AR PL UMing CN",
    )
}  # fmt: skip
"""Families with the letters of a language, in the order in which they are taken. The page shows the reader's own font:
this one only measures how wide the labels are."""


@cache
def families(language: str) -> tuple[str, ...]:
    """The font of figures and, after it, one with the letters of `language`; nothing where no such font is here."""
    found = _known(language)
    if found is None and language in _FONTS:
        _read_new_fonts()
        found = _known(language)
    return () if found is None else ("DejaVu Sans", found)


def _known(language: str) -> str | None:
    """The first family of a language that matplotlib knows."""
    here = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _FONTS.get(language, ()) if name in here), None)


def _read_new_fonts() -> None:
    """Tell matplotlib of fonts that were installed after it made its list of them, which it keeps between runs."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(OSError, RuntimeError):
            font_manager.fontManager.addfont(path)


def translate(figure: Figure, fonts: tuple[str, ...]) -> None:
    """Put every label of a figure into the current language and into `fonts`."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_locator(), FixedLocator):
                names = [one.get_text() for one in axis.get_ticklabels()]
                here = [_label(name) for name in names]
                if here != names:
                    axis.set_ticks(axis.get_ticklocs(), here)
    for text in figure.findobj(Text):
        text.set_text(_label(text.get_text()))
        text.set_fontfamily(list(fonts))


def _label(text: str) -> str:
    """A label, of which a line may be a part of a sentence; broken into as many lines as before at most."""
    lines = text.split("\n")
    whole = translated(" ".join(lines))
    if len(lines) == 1 or whole == " ".join(lines):
        return whole if len(lines) == 1 else text
    width = max(_width(line) for line in lines)
    return _broken(whole, width)


def _width(text: str) -> int:
    """Columns: letters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _broken(text: str, width: int) -> str:
    """`text` in lines of at most `width` columns, broken after wide letters and at blanks."""
    lines = [""]
    for letter in text:
        if _width(lines[-1]) >= width and (letter == " " or _width(letter) == 2):
            lines.append("")
        lines[-1] += letter
    return "\n".join(line.strip() for line in lines)
