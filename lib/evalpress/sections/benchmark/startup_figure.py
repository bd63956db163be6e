"""Where the time between the command and the first answer goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from evalpress.display import figure_style
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import data_of, missing_words, short, words

Phase = tuple[str, float | None, str | None]
"""Name, seconds (None where not measured) and the reason for None."""

_REST = "unaccounted"
_NAMES = {
    "import_s": "import",
    "config_s": "configuration",
    "engine_init_s": "engine core, workers",
    "load_weights_s": "load weights",
    "compile_s": "compile",
    "graph_capture_s": "capture graphs",
    "kv_cache_s": "KV cache",
    "unaccounted_s": _REST,
}


def phases(startup: Mapping[str, Any]) -> list[Phase]:
    """The phases of one start in the order of its record; the unaccounted rest comes last."""
    timed = [k for k in startup if k.endswith("_s") and k not in ("total_s", "unaccounted_s")]
    keys = [*timed, *(["unaccounted_s"] if "unaccounted_s" in startup else [])]
    return [(_NAMES.get(k, words(k.removesuffix("_s"))), startup[k], startup.get(f"{k}_why")) for k in keys]


def startup_phases(document: dict[str, Any]) -> Figure:
    """A waterfall per start: each phase begins where the one before it ended, and all of them make the total.

    Args:
        document: the benchmark's results; reads `modes.<mode>.startup` and `startup_cold`.
    """
    modes = data_of(document).get("modes") or {}
    kinds = [(mode, found.get(key)) for mode, found in modes.items() for key in ("startup", "startup_cold")]
    starts = [(mode, start) for mode, start in kinds if start]
    count = max(len(starts), 1)
    missing, said = [], []
    longest = max((len(phases(start)) for _, start in starts), default=1)
    with canvas(count * (0.55 + 0.23 * longest) + 0.3, count, 1, sharex=True) as (figure, panels):
        for axes, (mode, startup) in zip(panels, starts, strict=False):
            steps = phases(startup)
            missing += [(f"{name} ({mode})", why) for name, seconds, why in steps if seconds is None]
            _waterfall(axes, steps, figure_style.EAGER if mode == "eager" else figure_style.COMPILED)
            caches = {True: ", empty compile cache", False: ", warm compile cache"}
            cold = caches.get(startup.get("cold"), "") if startup.get("compile_s") else ""
            total = startup.get("total_s")
            summed = "total not measured" if total is None else f"{short(total)} s"
            axes.set_title(f"{words(mode)}{cold}: {summed}")
            parts = ", ".join(f"{name} {short(seconds)} s" for name, seconds, _ in steps if seconds)
            said.append(f"{mode}{cold}: {parts}; {summed} in all")
        panels[-1].set_xlabel("seconds since the start")
        panels[-1].margins(x=0.12)
        alt = f"Start-up phases. {'. '.join(said) or 'Nothing measured'}."
        caption = (
            "Start-up, phase by phase: each bar begins where the one above it ends. "
            "The hatched bar is time that no phase accounts for."
        )
        return finish(figure, alt, caption + missing_words(missing))


def _waterfall(axes: Axes, steps: Sequence[Phase], tone: str) -> None:
    at = 0.0
    for row, (name, seconds, _) in enumerate(steps):
        if seconds is None:
            figure_style.value_label(axes, at, row, "n/a")
            continue
        look = figure_style.hatched(figure_style.MUTED, "////") if name == _REST else figure_style.solid(tone)
        axes.barh(row, seconds, left=at, height=0.66, linewidth=0.8, **look)
        figure_style.value_label(axes, at + max(seconds, 0.0), row, short(seconds))
        at += seconds
    figure_style.name_rows(axes, [name for name, _, _ in steps])
