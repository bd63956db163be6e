"""The phases of the time from the start of the import to the first answer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.mode_style import style_of
from evalpress.display.wording import missing_words, short, words
from evalpress.engine.results import Startup
from evalpress.sections.benchmark.phase_labels import SHORT, named_starts
from evalpress.sections.benchmark.results import Results

__dir__ = own_functions(__name__)

Phase = tuple[str, float | None, str | None]
"""Name, seconds (None where not measured) and the reason for None."""


def phases(startup: Startup) -> list[Phase]:
    """The phases of one start in the order of its record; the unaccounted rest comes last."""
    timed = [key for key, _ in startup if key.endswith("_s") and key not in ("total_s", "unaccounted_s")]
    return [
        (SHORT.get(key, words(key.removesuffix("_s"))), getattr(startup, key), getattr(startup, f"{key}_why", None))
        for key in (*timed, "unaccounted_s")
    ]


def startup_phases(document: Document[Results]) -> Figure:
    """A waterfall per start: each phase begins where the one before it ended, and all of them make the total."""
    starts = named_starts(document.data)
    count = max(len(starts), 1)
    missing, said = [], []
    longest = max((len(phases(start)) for start in starts.values()), default=1)
    with canvas(count * (0.55 + 0.23 * longest) + 0.3, count, 1, sharex=True) as (figure, panels):
        for axes, (name, startup) in zip(panels, starts.items(), strict=False):
            steps = phases(startup)
            missing += [(f"{phase} ({name})", why) for phase, seconds, why in steps if seconds is None]
            _waterfall(axes, steps, style_of(name.split(",")[0], document.params).tone)
            total = f"{short(startup.total_s)} s"
            axes.set_title(f"{words(name)}: {total}")
            parts = ", ".join(f"{phase} {short(seconds)} s" for phase, seconds, _ in steps if seconds)
            said.append(f"{name}: {parts}; {total} in all")
        panels[-1].set_xlabel("seconds since the start")
        panels[-1].margins(x=0.12)
        alt = f"Start-up phases. {'. '.join(said) or 'Nothing measured'}."
        caption = (
            "Start-up, phase by phase: each bar begins where the one above it ends. "
            "The hatched bar is time that belongs to no known phase."
        )
        return finish(figure, alt, caption + missing_words(missing))


def _waterfall(axes: Axes, steps: Sequence[Phase], tone: str) -> None:
    at = 0.0
    for row, (name, seconds, _) in enumerate(steps):
        if seconds is None:
            figure_style.value_label(axes, at, row, "n/a")
            continue
        rest = name == SHORT["unaccounted_s"]
        style = figure_style.hatched(figure_style.MUTED, "////") if rest else figure_style.solid(tone)
        axes.barh(row, seconds, left=at, height=0.66, linewidth=0.8, **style)
        figure_style.value_label(axes, at + max(seconds, 0.0), row, short(seconds))
        at += seconds
    figure_style.name_rows(axes, [name for name, _, _ in steps])
