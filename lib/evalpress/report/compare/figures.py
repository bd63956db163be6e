"""The figures of a comparison page."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from evalpress.display import figure_style, labels
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.labels import Label
from evalpress.display.mode_style import style_of
from evalpress.display.wording import listed, metric_words, short, words
from evalpress.report.compare.run import Run
from evalpress.report.compare.tables import figure_words
from evalpress.report.compare.trend import Trend
from evalpress.sections.serving.points import Level

_PANELS = ("mean_ttft_ms", "mean_tpot_ms")
_RUNS = (("-", "o"), ("--", "s"))
_PANEL_HEIGHT = 0.85


def serving_curves(runs: tuple[Run, Run], names: tuple[str, str]) -> Figure:
    """Latency against throughput of both runs: a line per run and mode, a point per number of requests at a time."""
    levels = [run.sections["serving"].data.levels for run in runs]
    modes = list(dict.fromkeys(level.mode for found in levels for level in found))
    with canvas(4.6, len(_PANELS), 1, sharex=True) as (figure, panels):
        for axes, key in zip(panels, _PANELS, strict=True):
            for run, found, name, (dashes, marker) in zip(runs, levels, names, _RUNS, strict=True):
                for mode in modes:
                    points = _points([level for level in found if level.mode == mode], key)
                    tone = style_of(mode, run.sections["serving"].params).tone
                    fill = tone if dashes == "-" else figure_style.SURFACE
                    style = {"marker": marker, "color": tone, "markerfacecolor": fill}
                    axes.plot(*zip(*points, strict=True), dashes, label=f"{name}, {words(mode)}", **style)
            axes.set_title(f"{metric_words(key)}, ms")
            axes.grid(True, axis="y")
            axes.margins(y=0.2, x=0.06)
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_locator(MaxNLocator(4))
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper left", ncols=1)
        figure_style.thousands(panels[-1])
        panels[-1].set_xlabel("output throughput, tok/s (numbers: requests at a time)")
        for axes, key in zip(panels, _PANELS, strict=True):
            numbers = [
                Label(str(level.concurrency), ((level.output_throughput, value),))
                for level in levels[0]
                if (value := getattr(level, key)) is not None
            ]
            labels.place(figure, axes, numbers)
        said = [_words(level, name) for found, name in zip(levels, names, strict=True) for level in found]
        return finish(
            figure,
            f"Latency against throughput of two runs: {listed(said)}.",
            f"Mean latency against throughput as more requests are served at a time. Solid: {names[0]}; dashed: "
            f"{names[1]}. Further right and lower is better. Intervals and verdicts are in the table.",
        )


def _points(levels: Sequence[Level], key: str) -> list[tuple[float, float]]:
    ordered = sorted(levels, key=lambda level: level.concurrency)
    known = [(level.output_throughput, getattr(level, key)) for level in ordered]
    return [(x, y) for x, y in known if y is not None] or [(float("nan"), float("nan"))]


def _words(level: Level, name: str) -> str:
    late = "n/a" if level.mean_ttft_ms is None else f"{short(level.mean_ttft_ms)} ms"
    at = f"{level.concurrency} at a time"
    return f"{name}, {level.mode}, {at}: {short(level.output_throughput)} tok/s with {late} to the first token"


def trend_lines(trends: Sequence[Trend], names: Sequence[str]) -> Figure:
    """One panel per headline figure over all runs, with the interval of each where it has one."""
    with canvas(0.6 + _PANEL_HEIGHT * len(trends), len(trends), 1, sharex=True) as (figure, panels):
        for axes, one in zip(panels, trends, strict=True):
            known = [(x, point) for x, point in enumerate(one.points, 1) if point.value is not None]
            axes.plot([x for x, _ in known], [point.value for _, point in known], "-o", color=figure_style.BLUE)
            for x, point in known:
                if point.low is not None and point.high is not None:
                    axes.plot([x, x], [point.low, point.high], "-", color=figure_style.BLUE, linewidth=1)
            axes.set_title(f"{figure_words(one.metric)}{f', {one.unit}' if one.unit != '×' else ''}")
            axes.grid(True, axis="y")
            axes.margins(y=0.25, x=0.06)
            axes.yaxis.set_major_locator(MaxNLocator(3))
        panels[-1].set_xticks(range(1, len(names) + 1))
        panels[-1].set_xlabel("run, in the order given")
        said = [f"{figure_words(one.metric)}: {listed(_value(point.value) for point in one.points)}" for one in trends]
        numbered = listed(f"{index} {name}" for index, name in enumerate(names, 1))
        caption = f"Headline figures of the runs {numbered}. Bars: 95 % interval within a run, where it has one."
        return finish(figure, f"Headline figures over {len(names)} runs. {'; '.join(said)}.", caption)


def _value(value: float | None) -> str:
    return "n/a" if value is None else short(value)
