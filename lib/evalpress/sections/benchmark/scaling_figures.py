"""Figures of the benchmark's scaling curves and of its rates, with the peak rates that bound them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.mode_style import style_of
from evalpress.display.wording import Missing, listed, metric_words, missing_words, short
from evalpress.sections.benchmark.results import BatchPoint, PromptPoint, Results

__dir__ = own_functions(__name__)

Points = Sequence[BatchPoint] | Sequence[PromptPoint]
_KINDS = (
    ("decode_throughput", "bandwidth_bound_tok_s", "decode", "MBU", "mbu"),
    ("prefill_throughput", "arithmetic_bound_tok_s", "prefill", "MFU", "mfu"),
)


def scaling(document: Document[Results]) -> Figure:
    """Decode throughput and TPOT against batch size, TTFT against prompt length, each with its bound."""
    batch, prompt = document.data.scaling.batch, document.data.scaling.prompt
    missing: list[Missing] = []
    why = document.data.scaling.why
    if why:
        missing.append(("the curves", why))
    with canvas(6.3, 3, 1) as (figure, panels):
        for axes, rows, x, y, bound, title in (
            (panels[0], batch, "batch_size", "decode_throughput", "bandwidth_bound_tok_s", "decode, tok/s"),
            (panels[1], batch, "batch_size", "mean_tpot_ms", None, "mean TPOT, ms"),
            (panels[2], prompt, "prompt_len", "mean_ttft_ms", "arithmetic_bound_ms", "mean TTFT, ms"),
        ):
            missing += _curves(axes, rows, x, y, bound, document.params)
            axes.set_title(title)
        panels[1].set_yscale("linear")
        panels[1].set_ylim(bottom=0)
        if batch:
            figure_style.legend_right(panels[0])
        panels[1].set_xlabel("requests at once")
        panels[2].set_xlabel("prompt tokens, one request at a time")
        alt = f"Scaling. {_batches_in_words(batch)} {_prompts_in_words(prompt)}"
        caption = (
            "How speed changes with the number of requests at once and with the length of the prompt; rates and TTFT "
            "on logarithmic scales. Dotted: what the measured memory bandwidth or matrix rate would allow."
        )
        return finish(figure, alt.strip(), caption + missing_words(missing))


def _curves(axes: Axes, rows: Points, x: str, y: str, bound: str | None, params: Mapping[str, Any]) -> list[Missing]:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.grid(True, axis="y")
    missing: list[Missing] = []
    for mode in dict.fromkeys(row.mode for row in rows):
        tone, _, marker = style_of(mode, params)
        found = [(getattr(row, x), getattr(row, y), getattr(row, f"{y}_why")) for row in rows if row.mode == mode]
        known = [(at, value) for at, value, _ in found if value is not None]
        missing += [(f"{metric_words(y)} at {at} ({mode})", why) for at, value, why in found if value is None]
        axes.plot([at for at, _ in known], [value for _, value in known], f"-{marker}", color=tone, label=mode)
    if bound:
        limits = {getattr(row, x): getattr(row, bound) for row in rows if getattr(row, bound) is not None}
        missing += [
            (f"bound of {metric_words(y)}", getattr(row, f"{bound}_why")) for row in rows if getattr(row, bound) is None
        ][:1]
        if limits:
            axes.plot(list(limits), list(limits.values()), ":", color=figure_style.MUTED, label="peak rate")
    axes.xaxis.set_major_locator(FixedLocator(sorted({getattr(row, x) for row in rows}) or [1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    return missing


def _batches_in_words(rows: Sequence[BatchPoint]) -> str:
    known = [(row, row.decode_throughput) for row in rows if row.decode_throughput is not None]
    parts = [f"{row.mode} at {row.batch_size}: {short(rate)} tok/s" for row, rate in known]
    return f"Decode throughput by requests at once: {listed(parts)}." if parts else "Batch sizes: none measured."


def _prompts_in_words(rows: Sequence[PromptPoint]) -> str:
    known = [(row, row.mean_ttft_ms) for row in rows if row.mean_ttft_ms is not None]
    parts = [f"{row.mode} with {short(row.prompt_len)} tokens: {short(ttft)} ms" for row, ttft in known]
    return f"Time to first token by prompt length: {listed(parts)}." if parts else "Prompt lengths: none measured."


def peak_rates(document: Document[Results]) -> Figure:
    """Decode and prefill rates of every workload on one logarithmic scale with the bound of each."""
    names = list(document.data.workloads)
    missing: list[Missing] = []
    said: list[str] = []
    with canvas(1.3 + 0.42 * max(len(names), 2), 2, 1) as (figure, panels):
        for axes, kind in zip(panels, _KINDS, strict=True):
            _rates(axes, document, kind, missing, said)
            axes.set_title(f"{kind[2]}, tok/s")
            figure_style.name_rows(axes, names)
        if said:
            figure_style.legend_right(panels[0])
        alt = f"Rates beside the peak rates. {'; '.join(said) or 'None measured'}."
        caption = (
            "Decode and prefill rates of each workload, and the upright bar that the measured memory bandwidth or "
            "matrix rate would allow; the scale is logarithmic. Where the gap is wide, neither peak is the limit."
        )
        return finish(figure, alt, caption + missing_words(missing))


def _rates(
    axes: Axes, document: Document[Results], kind: tuple[str, ...], missing: list[Missing], said: list[str]
) -> None:
    """The rates of one phase and their bounds; adds to `missing` and `said`."""
    rate, bound, phase, share, key = kind
    data = document.data
    axes.set_xscale("log")
    for row, name in enumerate(data.workloads):
        for mode, found in data.modes.items():
            record = found.workloads[name]
            tone, _, marker = style_of(mode, document.params)
            lacking = next((one for one in (rate, bound) if getattr(record, one) is None), None)
            if lacking:
                missing.append((f"{phase} of {name} ({mode})", getattr(record, f"{lacking}_why")))
                continue
            axes.plot(getattr(record, rate), row, marker, color=tone, label=mode if row == 0 else None)
            axes.plot(getattr(record, bound), row, "|", color=figure_style.INK, markersize=12, markeredgewidth=1.6)
            reached = getattr(record, key)
            if reached is not None:
                said.append(f"{name} ({mode}): {share} {100 * reached:.1f} %")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
