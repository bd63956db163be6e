"""Figures of the serving section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter

from evalpress.core.results import Document
from evalpress.display import figure_style, labels
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.labels import Label
from evalpress.display.mode_style import style_of
from evalpress.display.wording import Missing, listed, metric_words, missing_words, short, words
from evalpress.sections.serving.points import Level, Point, Rate
from evalpress.sections.serving.results import RUNNING, Results

__dir__ = own_functions(__name__)

_TAILS = ("p99", "p90")
"""Percentiles in the order in which a figure prefers them: it shows the first that a point has requests enough for."""
_PANELS = ("ttft_ms", "tpot_ms")


def throughput_latency(document: Document[Results]) -> Figure:
    """Latency against throughput, one point per concurrency level; crosses where the client was too slow."""
    levels = document.data.levels
    modes = list(dict.fromkeys(level.mode for level in levels))
    missing: list[Missing] = []
    with canvas(4.2, len(_PANELS), 1, sharex=True) as (figure, panels):
        for axes, metric in zip(panels, _PANELS, strict=True):
            lines = (("mean", "-", "o"), (_tail(levels, metric), "--", "s"))
            for index, mode in enumerate(modes):
                chosen = [level for level in levels if level.mode == mode]
                missing += _curves(axes, chosen, metric, lines, mode, _tone(mode, index, document.params))
            axes.set_title(f"{metric_words(metric)}, ms")
            axes.grid(True, axis="y")
            axes.margins(y=0.2, x=0.06)
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_locator(MaxNLocator(4))
        if levels:
            figure_style.legend_right(panels[0])
        figure_style.thousands(panels[-1])
        panels[-1].set_xlabel("output throughput, tok/s (numbers: requests at a time)")
        for axes, metric in zip(panels, _PANELS, strict=True):
            _number_levels(figure, axes, levels, metric)
        alt = f"Throughput against latency: {listed(_level_words(level) for level in levels)}."
        caption = (
            "Throughput against latency as more requests are served at a time; the number at each point is "
            "the concurrency. Further right and lower is better."
        )
        bound = any(level.client_bound for level in levels)
        marks = " Crosses: the client was the bottleneck there." if bound else ""
        return finish(figure, alt, caption + marks + missing_words(missing))


def offered_load(document: Document[Results]) -> Figure:
    """SLO attainment and waiting time at increasing rates of random arrivals."""
    rates = [rate for rate in document.data.rates if not rate.client_bound]
    limit = document.data.slo_ms.get("ttft")
    tail = _tail(rates, "ttft_ms")
    missing: list[Missing] = []
    with canvas(4.2, 2, 1, sharex=True) as (figure, panels):
        for index, mode in enumerate(dict.fromkeys(rate.mode for rate in rates)):
            chosen = sorted((r for r in rates if r.mode == mode), key=lambda rate: rate.request_rate)
            tone = _tone(mode, index, document.params)
            for axes, key in zip(panels, ("slo_attainment", f"{tail}_ttft_ms"), strict=True):
                known = [(r.request_rate, getattr(r, key)) for r in chosen if getattr(r, key) is not None]
                missing += [
                    (f"{metric_words(key)}, {words(mode)}", getattr(r, f"{key}_why"))
                    for r in chosen
                    if getattr(r, key) is None
                ]
                axes.plot(*_xy(known), "-", marker="osD^v"[index % 5], color=tone, label=words(mode))
        panels[0].axhline(1, color=figure_style.MUTED, linestyle=":", label="every request")
        panels[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if limit is not None:
            panels[1].axhline(limit, color=figure_style.MUTED, linestyle=":")
        for axes, title in zip(panels, ("SLO attainment", f"TTFT {tail}, ms"), strict=True):
            axes.set_title(title)
            axes.grid(True, axis="y")
            axes.margins(y=0.15)
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_locator(MaxNLocator(4))
        panels[0].set_yticks((0, 0.25, 0.5, 0.75, 1))
        panels[0].set_ylim(0, 1.1)
        figure_style.legend_right(panels[0])
        panels[-1].set_xlim(left=0)
        panels[-1].set_xlabel("offered load, requests per second")
        if limit is not None:
            _name_limit(figure, panels[1], limit, max((rate.request_rate for rate in rates), default=1.0))
        alt = f"SLO attainment against offered load: {listed(_rate_words(rate) for rate in rates)}."
        caption = (
            f"The share of requests that kept the SLO, and the {tail} of TTFT, as requests arrive at random at "
            "a growing rate. A server that keeps up over long arrivals stays near 100 %"
            + (", and its TTFT below the dotted line." if limit is not None else ".")
        )
        return finish(figure, alt, caption + missing_words(missing))


def _name_limit(figure: Canvas, axes: Axes, limit: float, highest: float) -> None:
    """Name the dotted line of the SLO, at either end or in its middle."""
    points = tuple((share * highest, limit) for share in (0.02, 0.5, 0.9, 0.25, 0.75))
    labels.place(figure, axes, [Label(f"SLO {short(limit)} ms", points)])


def _rate_words(rate: Rate) -> str:
    kept = "n/a" if rate.slo_attainment is None else f"{rate.slo_attainment:.0%} good"
    return f"{rate.mode} at {short(rate.request_rate)} requests per second: {kept}"


def _tone(mode: str, index: int, params: Mapping[str, Any]) -> str:
    """A mode has the same colour in the whole report; a server that was already running has none of its own."""
    return figure_style.SERIES[index % len(figure_style.SERIES)] if mode == RUNNING else style_of(mode, params).tone


def _tail(points: Sequence[Point], metric: str) -> str:
    """The highest percentile that any of the points has; the highest of all where none has one."""
    return next((tail for tail in _TAILS if any(getattr(p, f"{tail}_{metric}") is not None for p in points)), _TAILS[0])


def _curves(
    axes: Axes, levels: Sequence[Level], metric: str, lines: Sequence[tuple[str, str, str]], mode: str, tone: str
) -> list[Missing]:
    """Draw each of the statistics that is known; returns what could not be drawn, in words."""
    missing = []
    for statistic, dashes, marker in lines:
        key = f"{statistic}_{metric}"
        known = [v for v in levels if getattr(v, key) is not None]
        missing += [
            (f"{metric_words(key)}, {v.concurrency} at a time", getattr(v, f"{key}_why"))
            for v in levels
            if v not in known
        ]
        points = [(v.output_throughput, getattr(v, key)) for v in known if not v.client_bound]
        crossed = [(v.output_throughput, getattr(v, key)) for v in known if v.client_bound]
        axes.plot(*_xy(crossed), "x", color=tone)
        fill = tone if statistic == "mean" else figure_style.SURFACE
        label = f"{words(mode)}, {statistic}"
        if not known:
            continue
        axes.plot(*_xy(points), dashes, marker=marker, color=tone, label=label, markerfacecolor=fill)
    return missing


def _number_levels(figure: Canvas, axes: Axes, levels: Sequence[Level], metric: str) -> None:
    """The concurrency of each level beside one of its points, where there is room."""
    numbers = []
    for level in levels:
        values = [getattr(level, f"{statistic}_{metric}") for statistic in (_tail(levels, metric), "mean")]
        points = tuple((level.output_throughput, value) for value in values if value is not None)
        numbers.append(Label(str(level.concurrency), points))
    labels.place(figure, axes, numbers)


def _xy(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _level_words(level: Level) -> str:
    late = "n/a" if level.mean_ttft_ms is None else f"{short(level.mean_ttft_ms)} ms"
    fast = f"{short(level.output_throughput)} tok/s"
    return f"{level.mode}, {level.concurrency} at a time: {fast} with {late} to the first token"
