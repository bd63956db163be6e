"""Figures of speed: eager against each way of compiling, throughput and latency of every workload."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.mode_style import style_of
from evalpress.display.wording import Missing, listed, metric_words, missing_words, short
from evalpress.params.engine import COMPILED
from evalpress.sections.benchmark.results import ModeResults, PairedMetric, Results

__dir__ = own_functions(__name__)

COMPARED = ("output_throughput", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms")
Ratio = tuple[float, float | None, float | None]
"""A speed-up with the ends of its interval."""
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
_ROUND = (0.01, 0.02, 0.05, 0.1, 0.2, 0.33, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_SPARSE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_DECADES = (0.1, 1.0, 10.0)
_SHOWN = (0.01, 100.0)
"""Ratios beyond these are drawn at the edge of the plot, with an arrow; the number is written beside them."""
_MOST_TICKS = 4
_MANY = 250
_PERCENTILES = (("min", 0.0), ("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


def speed_up(found: PairedMetric) -> Ratio | None:
    """How many times the compiling mode is faster than eager, with its interval; None where it was not measured.

    The ratio of the results is compiled / eager. Where less is better, the speed-up is its reciprocal and the ends of
    the interval change places.
    """
    ratio, low, high = found.ratio, found.ci_low, found.ci_high
    if not ratio:
        return None
    if found.better == "higher":
        return ratio, low, high
    return 1 / ratio, 1 / high if high else None, 1 / low if low else None


def eager_vs_compiled(document: Document[Results], metrics: Sequence[str] = COMPARED) -> Figure:
    """Paired speed-up of each compiling mode over eager, per metric and workload, with 95 % intervals.

    Args:
        document: the benchmark's results.
        metrics: keys of `comparison.<workload>`.
    """
    pairs = document.data.pairs
    named = set(pairs) - {COMPILED}
    faster = listed(pairs) if named else "compiled"
    workloads = list(dict.fromkeys(name for pair in pairs.values() for name in pair.comparison))
    rows: list[tuple[str, Ratio | None]] = []
    missing: list[Missing] = []
    ranges: list[str] = []
    for metric in metrics if pairs else ():
        rows.append((metric_words(metric), None))
        found = []
        for workload, mode in ((workload, mode) for workload in workloads for mode in pairs):
            compared = pairs[mode].comparison[workload][metric]
            label = f"{workload}, {mode}" if named else workload
            ratio = speed_up(compared)
            if ratio is None:
                missing.append((f"{metric_words(metric)} of {label}", compared.ratio_why))
                continue
            if ratio[1] is None:
                missing.append((f"interval of {metric_words(metric)} of {label}", compared.ci_low_why))
            found.append(ratio[0])
            rows.append((label, ratio))
        if found:
            ranges.append(f"{metric_words(metric)} {_times(min(found))} to {_times(max(found))}")
    if not pairs:
        missing.append(("the comparison", document.data.comparison_why))
    with canvas(0.75 + 0.2 * max(len(rows), 3)) as (figure, (axes,)):
        _forest(axes, rows)
        axes.set_xlabel("times faster when compiled (right of 1 is faster)")
        found_words = "; ".join(ranges) or "none measured"
        whose = f"each of {faster}" if len(pairs) > 1 else f"{faster} mode"
        alt = f"Speed-up of {faster} over eager, {len(workloads)} workloads: {found_words}."
        caption = (
            f"Speed of {whose} divided by that of eager mode, in paired blocks, with 95 % intervals. "
            "Filled marks: the interval lies entirely on one side of 1; hollow: it does not, or there is none. "
            "An arrow at the edge: the interval continues beyond the axis."
        )
        return finish(figure, alt, caption + missing_words(missing))


def _times(ratio: float) -> str:
    """A ratio in words: two decimals, as a power of ten where it is very small or very large."""
    return f"{ratio:.2f}×" if 0.01 <= ratio < 1000 else f"{ratio:.1e}×"


def _forest(axes: Axes, rows: Sequence[tuple[str, Ratio | None]]) -> None:
    """One line per row: heads in bold, else mark, interval and the figure in words at the right edge."""
    known = [_inside(bound) for _, ratio in rows if ratio for bound in ratio if bound]
    low, high = min([*known, 0.95]), max([*known, 1.05])
    axes.set_xscale("log")
    axes.set_xlim(low / 1.04, high * 1.04)
    axes.axvline(1, color=figure_style.INK, linewidth=1)
    right = axes.get_yaxis_transform()
    for y, (_, ratio) in enumerate(rows):
        if ratio is None:
            axes.axhline(y - 0.5, color=figure_style.GRID, linewidth=0.7)
            continue
        value, start, end = ratio
        tone, marker, filled = _direction(value, start, end)
        if start and end:
            axes.plot([_inside(start), _inside(end)], [y, y], color=tone, linewidth=1.6, solid_capstyle="butt")
            for bound, arrow in ((start, "<"), (end, ">")):
                if bound != _inside(bound):
                    axes.plot(_inside(bound), y, arrow, color=tone)
        face = tone if filled else figure_style.SURFACE
        axes.plot(_inside(value), y, marker, color=tone, markerfacecolor=face, zorder=3)
        interval = f" ({_times(start)[:-1]}–{_times(end)[:-1]})" if start and end else ""
        axes.text(1.02, y, f"{_times(value)}{interval}", transform=right, va="center")
    figure_style.name_rows(axes, [label for label, _ in rows])
    for tick, (_, ratio) in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if ratio is None else "normal")
    axes.spines["left"].set_visible(False)
    _ratio_ticks(axes, low, high)


def _inside(ratio: float) -> float:
    return min(max(ratio, _SHOWN[0]), _SHOWN[1])


def _direction(value: float, low: float | None, high: float | None) -> tuple[str, str, bool]:
    if low is None or high is None or low <= 1 <= high:
        return figure_style.MUTED, "D", False
    return (figure_style.COMPILED, "o", True) if value > 1 else (figure_style.EAGER, "s", True)


def _ratio_ticks(axes: Axes, low: float, high: float) -> None:
    """Ticks at round ratios, few enough to be read: fine steps near 1, coarse ones for a wide range."""
    start, end = low / 1.04, high * 1.04
    even = ([k * step for k in range(math.ceil(start / step), round(end / step) + 1)] for step in _STEPS)
    choices = ([tick for tick in ticks if start <= tick <= end] for ticks in (*even, _ROUND, _SPARSE, _DECADES))
    shown = next((ticks for ticks in choices if len(ticks) <= _MOST_TICKS), [1.0])
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}×"))


def throughput_bars(document: Document[Results], metric: str = "output_throughput", unit: str = "tok/s") -> Figure:
    """One metric of every workload, all modes beside each other, each workload on its own scale.

    Workloads differ by orders of magnitude because of their shapes; only the modes can be compared.
    """
    modes, workloads = document.data.modes, list(document.data.workloads)
    missing: list[Missing] = []
    said = []
    with canvas(0.45 + 0.21 * max(len(modes), 2) * max(len(workloads), 2)) as (figure, (axes,)):
        every = [found.workloads for found in modes.values()]
        longest = {w: max((getattr(f[w], metric) or 0 for f in every), default=0) or 1 for w in workloads}
        for index, (mode, found) in enumerate(modes.items()):
            tone = style_of(mode, document.params).tone
            for row, workload in enumerate(workloads):
                value = getattr(found.workloads[workload], metric)
                if value is None:
                    missing.append((f"{workload} ({mode})", getattr(found.workloads[workload], f"{metric}_why")))
                    continue
                height = 0.76 / max(len(modes), 2)
                at = row + (index - (len(modes) - 1) / 2) * height
                axes.barh(at, value / longest[workload], height=0.9 * height, color=tone)
                figure_style.value_label(axes, value / longest[workload], at, f"{short(value)} {unit}")
                said.append(f"{workload} {mode} {short(value)}")
        figure_style.name_rows(axes, workloads)
        axes.set_xlim(0, 1.2)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        figure_style.legend_above(axes, {m: figure_style.solid(style_of(m, document.params).tone) for m in modes})
        alt = f"{metric_words(metric).capitalize()}, {unit}: {'; '.join(said) or 'nothing measured'}."
        caption = f"{metric_words(metric).capitalize()}, {unit}; each workload has its own scale."
        return finish(figure, alt, caption + missing_words(missing))


def latency_distribution(
    document: Document[Results],
    raw: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    metric: str = "e2el_ms",
) -> Figure:
    """The distribution of a latency over the requests: share of requests that took at most a given time.

    Args:
        document: the benchmark's results.
        raw: `{mode: {workload: [one value per request, in milliseconds]}}`. Where it has nothing, the line
            goes through the percentiles of the results.
        metric: `ttft_ms`, `tpot_ms`, `itl_ms` or `e2el_ms`.
    """
    modes, workloads = document.data.modes, list(document.data.workloads)
    count = max(len(workloads), 1)
    missing: list[Missing] = []
    said = []
    with canvas(0.5 + 1.35 * math.ceil(count / 2), math.ceil(count / 2), min(count, 2)) as (figure, panels):
        for axes, workload in zip(panels, workloads, strict=False):
            for mode, found in modes.items():
                values = ((raw or {}).get(mode) or {}).get(workload)
                line = _ecdf(values) if values else _from_percentiles(found, workload, metric)
                if line is None:
                    missing.append((f"{workload} ({mode})", getattr(found.workloads[workload], f"mean_{metric}_why")))
                    continue
                tone, dashes, _ = style_of(mode, document.params)
                axes.plot(*line, dashes, color=tone, label=mode, linewidth=1.6)
                middle = np.median(values) if values else np.interp(0.5, line[1], line[0])
                said.append(f"{workload} {mode} {short(float(middle))} ms")
            _ecdf_axes(axes, workload)
        for axes in panels[len(workloads) :]:
            axes.set_visible(False)
        if said:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=4)
        name = metric_words(metric)
        alt = f"Distribution of {name} per workload and mode; medians: {listed(said)}."
        caption = (
            f"{name.capitalize()}: the share of requests that took at most this many milliseconds. "
            "Further left is faster; a steeper line means less spread."
        )
        return finish(figure, alt, caption + missing_words(missing))


def _ecdf(values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the empirical distribution function's staircase; its quantiles where they are many."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if ordered.size > _MANY:
        share = np.linspace(0, 1, _MANY)
        return np.quantile(ordered, share), share
    share = np.arange(1, ordered.size + 1) / ordered.size
    return np.repeat(ordered, 2), np.concatenate([[0.0], np.repeat(share, 2)[:-1]])


def _from_percentiles(mode: ModeResults, workload: str, metric: str) -> tuple[np.ndarray, np.ndarray] | None:
    results = mode.workloads[workload]
    pairs = [(getattr(results, f"{name}_{metric}"), share) for name, share in _PERCENTILES]
    known = [pair for pair in pairs if pair[0] is not None]
    return (np.array([v for v, _ in known]), np.array([q for _, q in known])) if len(known) > 1 else None


def _ecdf_axes(axes: Axes, title: str) -> None:
    axes.set_title(f"{title}, ms")
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.5, 0.9], ["0", "50 %", "90 %"])
    axes.grid(True, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    figure_style.thousands(axes)
