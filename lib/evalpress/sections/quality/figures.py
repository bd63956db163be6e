"""Verdicts of the quality cases as a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import words
from evalpress.sections.quality.results import Results

__dir__ = own_functions(__name__)

_VERDICTS = {
    "pass": figure_style.solid(figure_style.GREEN),
    "needs_review": figure_style.hatched(figure_style.ORANGE, ""),
    "cut": figure_style.hatched(figure_style.SKY, "...."),
    "fail": figure_style.hatched(figure_style.VERMILLION, "////"),
    "error": figure_style.hatched(figure_style.VERMILLION, "xxxx"),
}


def category_bars(document: Document[Results]) -> Figure:
    """Verdicts per category of the quality cases, counted.

    Args:
        document: the quality section's results; reads `cases[]`.
    """
    counts: dict[str, Counter[str]] = {}
    for case in document.data.cases:
        counts.setdefault(case.category, Counter())[case.state] += 1
    said = [f"{name} {counted['pass']} of {counted.total()} passed" for name, counted in counts.items()]
    with canvas(0.85 + 0.32 * max(len(counts), 2)) as (figure, (axes,)):
        before = [0] * len(counts)
        seen = {verdict: style for verdict, style in _VERDICTS.items() if any(c[verdict] for c in counts.values())}
        for verdict, style in seen.items():
            for row, counted in enumerate(counts.values()):
                if counted[verdict]:
                    _count_bar(axes, row, before[row], counted[verdict], style)
                    before[row] += counted[verdict]
        figure_style.name_rows(axes, list(counts))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("cases")
        figure_style.legend_above(axes, {words(verdict): style for verdict, style in seen.items()})
        alt = f"Verdicts per category: {'; '.join(said) or 'no cases'}."
        caption = (
            "Verdicts per category, in cases. Cases that no rule can decide wait for a person's review; cut answers "
            "reached their length limit first."
        )
        return finish(figure, alt, caption)


def _count_bar(axes: Axes, row: int, before: int, count: int, style: Mapping[str, Any]) -> None:
    axes.barh(row, count, left=before, height=0.62, linewidth=1, **style)
    box = {"boxstyle": "round,pad=0.2", "facecolor": figure_style.SURFACE, "edgecolor": "none"}
    axes.text(before + count / 2, row, str(count), ha="center", va="center", fontweight="bold", bbox=box)
