"""Figures of the benchmark's scaling curves, with the ceilings that bound them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from evalpress.display import figure_style
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import Missing, data_of, listed, missing_words, short

Row = Mapping[str, Any]
_LOOKS = {"eager": (figure_style.EAGER, "s"), "compiled": (figure_style.COMPILED, "o")}


def scaling(document: dict[str, Any]) -> Figure:
    """Decode throughput and TPOT against batch size, TTFT against prompt length, each with its bound.

    Args:
        document: the benchmark's results; reads `scaling.batch[]` (`mode`, `batch_size`, `decode_throughput`,
            `mean_tpot_ms`, `bandwidth_bound_tok_s`) and `scaling.prompt[]` (`mode`, `prompt_len`, `mean_ttft_ms`,
            `arithmetic_bound_ms`).
    """
    found = data_of(document).get("scaling") or {}
    batch, prompt = found.get("batch") or [], found.get("prompt") or []
    missing: list[Missing] = []
    with canvas(6.3, 3, 1) as (figure, panels):
        for axes, rows, x, y, bound, title in (
            (panels[0], batch, "batch_size", "decode_throughput", "bandwidth_bound_tok_s", "decode, tok/s"),
            (panels[1], batch, "batch_size", "mean_tpot_ms", None, "mean TPOT, ms"),
            (panels[2], prompt, "prompt_len", "mean_ttft_ms", "arithmetic_bound_ms", "mean TTFT, ms"),
        ):
            missing += _curves(axes, rows, x, y, bound)
            axes.set_title(title)
        panels[1].set_yscale("linear")
        panels[1].set_ylim(bottom=0)
        if batch:
            figure_style.legend_right(panels[0])
        panels[1].set_xlabel("requests at once")
        panels[2].set_xlabel("prompt tokens, one request at a time")
        alt = f"Scaling. {_said(batch, 'batch_size', 'decode_throughput', 'tok/s')} {_said_prompt(prompt)}"
        caption = (
            "How speed changes with the number of requests at once and with the length of the prompt; rates and TTFT "
            "on logarithmic scales. Dotted: what the measured memory bandwidth or matrix rate would allow."
        )
        return finish(figure, alt.strip(), caption + missing_words(missing))


def _curves(axes: Axes, rows: Sequence[Row], x: str, y: str, bound: str | None) -> list[Missing]:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.grid(True, axis="y")
    missing: list[Missing] = []
    for mode in dict.fromkeys(row["mode"] for row in rows):
        tone, marker = _LOOKS.get(mode, (figure_style.GREEN, "D"))
        chosen = [row for row in rows if row["mode"] == mode]
        known = [row for row in chosen if row.get(y) is not None and row.get(x) is not None]
        missing += [(f"{y} at {row.get(x)} ({mode})", row.get(f"{y}_why")) for row in chosen if row not in known]
        axes.plot([r[x] for r in known], [r[y] for r in known], f"-{marker}", color=tone, label=mode)
    limits = {row[x]: row[bound] for row in rows if bound and row.get(bound) is not None and row.get(x) is not None}
    if limits:
        axes.plot(list(limits), list(limits.values()), ":", color=figure_style.MUTED, label="ceiling")
    ticks = sorted({row[x] for row in rows if row.get(x) is not None})
    axes.xaxis.set_major_locator(FixedLocator(ticks or [1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    return missing


def _said(rows: Sequence[Row], x: str, y: str, unit: str) -> str:
    known = [row for row in rows if row.get(y) is not None and row.get(x) is not None]
    parts = [f"{row['mode']} at {short(row[x])}: {short(row[y])} {unit}" for row in known]
    return f"Decode throughput by requests at once: {listed(parts)}." if parts else "Batch sizes: none measured."


def _said_prompt(rows: Sequence[Row]) -> str:
    known = [row for row in rows if row.get("mean_ttft_ms") is not None and row.get("prompt_len") is not None]
    parts = [f"{row['mode']} with {short(row['prompt_len'])} tokens: {short(row['mean_ttft_ms'])} ms" for row in known]
    return f"Time to first token by prompt length: {listed(parts)}." if parts else "Prompt lengths: none measured."


def ceilings(document: dict[str, Any]) -> Figure:
    """Decode and prefill rates of every workload on one logarithmic scale with the bound of each.

    Args:
        document: the benchmark's results; reads `modes.<mode>.workloads.<name>`: `decode_throughput`,
            `prefill_throughput`, `bandwidth_bound_tok_s`, `arithmetic_bound_tok_s`, `mbu`, `mfu`.
    """
    modes = data_of(document).get("modes") or {}
    names = list(dict.fromkeys(name for found in modes.values() for name in found.get("workloads") or {}))
    missing: list[Missing] = []
    said: list[str] = []
    kinds = (
        ("decode_throughput", "bandwidth_bound_tok_s", "decode, tok/s", "MBU", "mbu"),
        ("prefill_throughput", "arithmetic_bound_tok_s", "prefill, tok/s", "MFU", "mfu"),
    )
    with canvas(1.3 + 0.42 * max(len(names), 2), 2, 1) as (figure, panels):
        for axes, (rate, bound, title, share, key) in zip(panels, kinds, strict=True):
            axes.set_xscale("log")
            for row, name in enumerate(names):
                for mode, found in modes.items():
                    figures = (found.get("workloads") or {}).get(name) or {}
                    tone, marker = _LOOKS.get(mode, (figure_style.GREEN, "D"))
                    if figures.get(rate) is None or figures.get(bound) is None:
                        missing.append((f"{title.split(',')[0]} of {name} ({mode})", figures.get(f"{rate}_why")))
                        continue
                    axes.plot(figures[rate], row, marker, color=tone, label=mode if row == 0 else None)
                    axes.plot(figures[bound], row, "|", color=figure_style.INK, markersize=12, markeredgewidth=1.6)
                    if figures.get(key) is not None:
                        said.append(f"{name} ({mode}): {share} {100 * figures[key]:.1f} %")
            axes.set_title(title)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            figure_style.name_rows(axes, names)
        if said:
            figure_style.legend_right(panels[0])
        alt = f"Rates beside their ceilings. {'; '.join(said) or 'None measured'}."
        caption = (
            "Decode and prefill rates of each workload, and the upright bar that the measured memory bandwidth or "
            "matrix rate would allow; the scale is logarithmic. A wide gap: what remains is launching and scheduling."
        )
        return finish(figure, alt, caption + missing_words(missing))
