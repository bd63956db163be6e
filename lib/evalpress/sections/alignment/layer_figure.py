"""Where in the model an error is made: the hidden states, stage by stage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import Missing, listed, missing_words, short, words
from evalpress.sections.alignment.results import JudgedStages, Layers, Results, StageErrors
from evalpress.sections.alignment.run_labels import NOISE_FLOOR, error_axis, mark_of

__dir__ = own_functions(__name__)

Runs = Mapping[str, StageErrors]
Judged = Mapping[str, JudgedStages]
_LAYER = re.compile(r"layer (\d+)")
_PANELS = {"made": "made at the stage", "arrived": "arrived there"}
_DASHES = ("-", "--", ":", "-.")
_MOST_TICKS = 14
_ROOM = 0.08
"""Share of the axis that the name of either end takes."""


def layer_errors(document: Document[Results]) -> Figure:
    """Relative error after every stage of the model, noise floor and device, and the first beyond the noise.

    Args:
        document: the results of the alignment section.
    """
    found = document.data.layers
    stages: Sequence[str] = found.stages if found else ()
    candidates: Judged = found.candidates if found else {}
    runs: Runs = {NOISE_FLOOR: found.noise_floor, **candidates} if found else {}
    with canvas(4.4 if stages else 1.6, 2, 1, sharex=True) as (figure, panels):
        if found and found.limits:
            _allowed(panels[0], found.limits)
        for axes, (key, label) in zip(panels, _PANELS.items(), strict=True):
            for index, (name, run) in enumerate(runs.items()):
                _curve(axes, getattr(run, key), name, index, document.params)
            if axes.lines:
                error_axis(axes, "y")
            axes.set_ylabel(f"relative error\n{label}")
            axes.grid(True, axis="y")
            axes.grid(False, axis="x")
            for end in (at for at, stage in enumerate(stages) if _LAYER.fullmatch(stage)):
                axes.axvline(end + 0.5, color=figure_style.GRID, linewidth=0.7)
        for judged in candidates.values():
            _point_at(panels[0], judged.first_beyond_noise, stages, judged.made)
        panels[0].set_title(_finding(runs, candidates))
        _name_stages(panels[1], stages)
        if runs:
            named = panels[0].get_legend_handles_labels()
            figure.legend(*named, loc="outside upper left", ncols=figure_style.columns(len(runs)))
        alt = f"Where the error is made. {_finding(runs, candidates)}. {_words(runs, stages)}"
        caption = (
            "Relative Euclidean distance of the hidden states from the float32 reference's, in the order of "
            "computation: embedding; attention, MLP and whole block of every layer; final norm; logits. Above: the "
            "error that a stage makes when it is fed the reference's own states; shaded is what passes for noise. "
            "Below: the error that arrives with everything before it. Stages without any error are not drawn."
        )
        return finish(figure, alt, caption + missing_words(_missing(document.data.layers_why, found)))


def _missing(why: str | None, found: Layers | None) -> list[Missing]:
    """What is not drawn: hidden states that were not read, limits that the results do not have."""
    if found is None:
        return [("hidden states", why)]
    return [] if found.limits else [("what passes for noise", found.limits_why)]


def _curve(axes: Axes, errors: Sequence[float | None], name: str, index: int, params: Mapping[str, Any]) -> None:
    tone, marker = mark_of(name, index, params)
    heights = [error or float("nan") for error in errors]
    axes.plot(
        range(len(heights)), heights, _DASHES[index % len(_DASHES)], color=tone, marker=marker, markersize=3.5,
        linewidth=1.2, label=words(name),
    )  # fmt: skip


def _allowed(axes: Axes, limits: Sequence[float]) -> None:
    """Shade up to what a stage may make."""
    known = [at for at, limit in enumerate(limits) if limit > 0]
    low = min((limits[at] for at in known), default=1.0) / 10
    axes.fill_between(known, low, [limits[at] for at in known], color=figure_style.GRID, linewidth=0)


def _point_at(axes: Axes, stage: str | None, stages: Sequence[str], made: Sequence[float]) -> None:
    if stage is not None and stage in stages:
        at = (stages.index(stage), made[stages.index(stage)])
        arrow = {"arrowstyle": "-", "color": figure_style.INK, "linewidth": 0.8}
        axes.annotate(stage, at, (0, 14), textcoords="offset points", ha="center", arrowprops=arrow)
        axes.margins(y=0.25)


def _name_stages(axes: Axes, stages: Sequence[str]) -> None:
    """Name both ends, and every layer in its middle, or every few where there are many."""
    places: dict[str, list[int]] = {}
    for at, stage in enumerate(stages):
        match = _LAYER.match(stage)
        if match:
            places.setdefault(match[1], []).append(at)
    step = -(-len(places) // _MOST_TICKS) or 1
    last = len(stages) - 1
    ticks = {sum(found) / len(found): name for name, found in list(places.items())[::step]}
    inner = {at: name for at, name in ticks.items() if _ROOM * last < at < (1 - _ROOM) * last}
    named = {0: "embed.", **inner, last: "logits"} if stages else {}
    axes.set_xticks(list(named), list(named.values()))
    axes.set_xlabel("layer: attention, MLP, whole block")
    axes.set_xlim(-0.5, max(len(stages), 1) - 0.5)


def _finding(runs: Runs, candidates: Judged) -> str:
    left = [
        f"{words(name)} leaves the noise at {run.first_beyond_noise}"
        for name, run in candidates.items()
        if run.first_beyond_noise
    ]
    if left:
        return "; ".join(left)
    if candidates:
        return f"No stage leaves the noise: {listed(map(words, candidates))}"
    return "Rounding error of the dtype alone, stage by stage" if runs else "No hidden states"


def _words(runs: Runs, stages: Sequence[str]) -> str:
    said = []
    for name, run in runs.items():
        made = {stage: error for stage, error in zip(stages, run.made, strict=False) if error}
        if made:
            worst = max(made, key=lambda stage: made[stage])
            said.append(f"{words(name)}: at most {short(made[worst])}, made at {worst}")
    return f"{'; '.join(said)}." if said else ""
