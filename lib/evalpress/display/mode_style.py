"""Colour, line and marker of each mode: the same in every figure of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from evalpress.display import figure_style


class ModeStyle(NamedTuple):
    """How one mode is drawn."""

    tone: str
    dashes: str
    marker: str


_KNOWN = {
    "eager": ModeStyle(figure_style.EAGER, "--", "s"),
    "compiled": ModeStyle(figure_style.COMPILED, "-", "o"),
}
_VARIANTS = (
    ModeStyle(figure_style.GREEN, ":", "D"),
    ModeStyle(figure_style.PURPLE, "-.", "^"),
    ModeStyle(figure_style.BLUE, "-", "v"),
    ModeStyle(figure_style.ORANGE, "--", "P"),
    ModeStyle(figure_style.SKY, ":", "X"),
)


def style_of(mode: str, params: Mapping[str, Any]) -> ModeStyle:
    """The style of a mode: its own for eager and compiled, by its place in `engine.variants` for a variant.

    Args:
        params: the parameters of the report, as its results files hold them.
    """
    if mode in _KNOWN:
        return _KNOWN[mode]
    variants = list((params.get("engine") or {}).get("variants") or {})
    return _VARIANTS[(variants.index(mode) if mode in variants else 0) % len(_VARIANTS)]
