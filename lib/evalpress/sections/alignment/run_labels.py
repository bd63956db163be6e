"""What the figures of the alignment section share: the look of each leg, and axes of errors."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from evalpress.core.results import Document, Model
from evalpress.display import figure_style
from evalpress.display.wording import data_of, power_of_ten, short

Look = tuple[str, str]
"""Colour and marker."""

NOISE_FLOOR = "noise_floor"
_LOOKS = {
    NOISE_FLOOR: (figure_style.MUTED, "o"),
    "vllm_eager": (figure_style.EAGER, "s"),
    "vllm_compiled": (figure_style.COMPILED, "D"),
}
_OTHERS = ((figure_style.GREEN, "^"), (figure_style.PURPLE, "v"), (figure_style.ORANGE, "P"), (figure_style.SKY, "X"))


def plain(document: Any) -> dict[str, Any]:
    """The data of a results document, as its JSON says it: what tables of records and curves are made of."""
    if isinstance(document, Document):
        document = document.data
    if isinstance(document, Model):
        return document.model_dump(mode="json", by_alias=True)
    return data_of(document)


def legs_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The noise floor and every candidate, by name, those that the document has."""
    data = plain(document)
    floor = {NOISE_FLOOR: data[NOISE_FLOOR]} if isinstance(data.get(NOISE_FLOOR), dict) else {}
    return floor | (data.get("candidates") or {})


def look_of(name: str, index: int) -> Look:
    """A leg's own look, or one by its place among the legs."""
    return _LOOKS.get(name) or _OTHERS[index % len(_OTHERS)]


def beside(index: int, count: int) -> float:
    """How far the mark of one of `count` legs stands from the middle of its row or column, in rows."""
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
