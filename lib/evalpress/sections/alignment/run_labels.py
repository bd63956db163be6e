"""What the figures of the alignment section share: colour and marker of each comparison run, and axes of errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.mode_style import style_of
from evalpress.display.wording import power_of_ten, short
from evalpress.sections.alignment.results import Results, Run

Mark = tuple[str, str]
"""Colour and marker."""

NOISE_FLOOR = "noise_floor"
_MARKS = {
    NOISE_FLOOR: (figure_style.MUTED, "o"),
    "vllm_eager": (figure_style.EAGER, "s"),
    "vllm_compiled": (figure_style.COMPILED, "D"),
}
_OTHERS = ((figure_style.GREEN, "^"), (figure_style.PURPLE, "v"), (figure_style.ORANGE, "P"), (figure_style.SKY, "X"))


def runs_of(document: Document[Results]) -> dict[str, Run]:
    """The noise floor and every candidate, by name."""
    return {NOISE_FLOOR: document.data.noise_floor, **document.data.candidates}


def mark_of(name: str, index: int, params: Mapping[str, Any]) -> Mark:
    """A comparison run's own colour and marker, or those of its place among the runs.

    Args:
        params: the parameters of the report, whose variants keep their colours in every section.
    """
    mode = name.removeprefix("vllm_")
    if name != mode and mode in ((params.get("engine") or {}).get("variants") or {}):
        return style_of(mode, params).tone, style_of(mode, params).marker
    return _MARKS.get(name) or _OTHERS[index % len(_OTHERS)]


def beside(index: int, count: int) -> float:
    """Distance of the mark of one of `count` runs from the middle of its row or column, in rows."""
    return (index - (count - 1) / 2) * min(0.22, 0.66 / count)


def error_axis(axes: Axes, axis: str) -> None:
    """Make "x" or "y" logarithmic once all is drawn: powers of ten, and 2 and 5 between them on a short "y"."""
    axes.set(**{f"{axis}scale": "log"})
    side = axes.xaxis if axis == "x" else axes.yaxis
    low, high = side.get_view_interval()
    near = axis == "y" and high < 30 * low
    side.set_major_locator(LogLocator(subs=(1, 2, 5) if near else (1,), numticks=5))
    side.set_major_formatter(FuncFormatter(lambda value, _: short(value) if near else power_of_ten(value)))
    side.set_minor_locator(NullLocator())
