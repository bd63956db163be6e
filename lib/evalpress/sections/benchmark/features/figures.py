"""The figure of speed against cached context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from matplotlib.axes import Axes

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.mode_style import style_of
from evalpress.display.wording import listed, short
from evalpress.sections.benchmark.features.results import Depth
from evalpress.sections.benchmark.results import Results

__dir__ = own_functions(__name__)

Ends: TypeAlias = tuple[float | None, float | None]
"""Both ends of an interval, None where there is none."""


def depth(document: Document[Results]) -> Figure | None:
    """Time per decoded token and prefill rate against the tokens in the KV cache; None where they were not measured."""
    features = document.data.features
    if features is None or features.depth is None:
        return None
    found, (tone, _, marker) = features.depth, style_of(features.mode, document.params)
    x = [point.cached_tokens for point in found.points]
    with canvas(4.4, 2, 1) as (figure, panels):
        decode = [1e3 * point.decode_s_per_token for point in found.points]
        spread = [(point.decode_s_per_token_low, point.decode_s_per_token_high) for point in found.points]
        _curve(panels[0], x, decode, spread, 1e3, (tone, marker))
        if found.bound_s is not None:
            panels[0].plot(
                x,
                [decode[0] + 1e3 * found.bound_s * (at - x[0]) for at in x],
                ":",
                color=figure_style.MUTED,
                label="reading alone",
            )
            figure_style.legend_right(panels[0])
        panels[0].set_title("per decoded token, ms")
        prefill = [point.prefill_tok_s for point in found.points]
        ends: list[Ends] = [
            (found.chunk_len / point.prefill_s_high, found.chunk_len / point.prefill_s_low)
            if point.prefill_s_high and point.prefill_s_low
            else (None, None)
            for point in found.points
        ]
        _curve(panels[1], x, prefill, ends, 1, (tone, marker))
        panels[1].set_title(f"prefill of {found.chunk_len} tokens, tok/s")
        panels[1].set_xlabel("tokens in the KV cache before the request")
        caption = (
            "How a request becomes slower with the context that it has in the KV cache: medians with their 95 % "
            "intervals. Dotted: the time at no context and, for each cached token, its KV bytes at the measured memory "
            "bandwidth."
        )
        return finish(figure, _alt(found), caption)


def _curve(
    axes: Axes,
    x: Sequence[int],
    y: Sequence[float],
    ends: Sequence[Ends],
    scale: float,
    style: tuple[str, str],
) -> None:
    """One curve with its intervals, which are multiplied by `scale`."""
    tone, marker = style
    axes.plot(x, y, f"-{marker}", color=tone)
    for at, (low, high) in zip(x, ends, strict=True):
        if low is not None and high is not None:
            axes.plot([at, at], [scale * low, scale * high], "-", color=tone, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.grid(True, axis="y")
    axes.set_xticks(x)
    figure_style.thousands(axes)


def _alt(found: Depth) -> str:
    decode = [f"{short(1e3 * one.decode_s_per_token)} ms at {short(one.cached_tokens)}" for one in found.points]
    prefill = [f"{short(one.prefill_tok_s)} tok/s at {short(one.cached_tokens)}" for one in found.points]
    return (
        f"Speed against cached tokens. Time per decoded token: {listed(decode)}. Prefill of {found.chunk_len} tokens: "
        f"{listed(prefill)}."
    )
