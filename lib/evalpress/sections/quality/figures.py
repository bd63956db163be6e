"""Verdicts of the quality cases as a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evalpress.display import figure_style
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import data_of, words

_VERDICTS = {
    "pass": figure_style.solid(figure_style.GREEN),
    "needs_review": figure_style.hatched(figure_style.ORANGE, ""),
    "fail": figure_style.hatched(figure_style.VERMILLION, "////"),
}


def category_bars(document: dict[str, Any]) -> Figure:
    """Verdicts per category of the quality cases, counted.

    Args:
        document: the quality section's results; reads `cases[]`.
    """
    cases: Sequence[Mapping[str, Any]] = data_of(document).get("cases") or []
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        counts.setdefault(str(case.get("category", "other")), Counter())[str(case.get("verdict"))] += 1
    said = [f"{name} {counted['pass']} of {counted.total()} passed" for name, counted in counts.items()]
    with canvas(0.85 + 0.32 * max(len(counts), 2)) as (figure, (axes,)):
        before = [0] * len(counts)
        for verdict, look in _VERDICTS.items():
            for row, counted in enumerate(counts.values()):
                if counted[verdict]:
                    _count_bar(axes, row, before[row], counted[verdict], look)
                    before[row] += counted[verdict]
        figure_style.name_rows(axes, list(counts))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("cases")
        figure_style.legend_above(axes, {words(verdict): look for verdict, look in _VERDICTS.items()})
        alt = f"Verdicts per category: {'; '.join(said) or 'no cases'}."
        caption = "Verdicts per category, in cases. Cases that no rule can decide wait for a person's review."
        return finish(figure, alt, caption)


def _count_bar(axes: Axes, row: int, before: int, count: int, look: Mapping[str, Any]) -> None:
    axes.barh(row, count, left=before, height=0.62, linewidth=1, **look)
    box = {"boxstyle": "round,pad=0.2", "facecolor": figure_style.SURFACE, "edgecolor": "none"}
    axes.text(before + count / 2, row, str(count), ha="center", va="center", fontweight="bold", bbox=box)
