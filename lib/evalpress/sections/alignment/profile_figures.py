"""How the difference from the reference is distributed: along the texts, and by the reference's margin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import PercentFormatter

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import Missing, listed, missing_words, short, words
from evalpress.sections.alignment.agreement_results import MarginBin, PositionBin
from evalpress.sections.alignment.results import Results, Run
from evalpress.sections.alignment.run_labels import NOISE_FLOOR, beside, error_axis, mark_of, runs_of

__dir__ = own_functions(__name__)

Runs = Mapping[str, Run]
_MOST_LETTERS = 20
"""Characters of the names of all groups below an axis; where they are longer, every second group is named."""
_ERRORS = {"max_abs_err": "largest error", "kl_divergence": "KL divergence, nats"}


def profile_by_position(document: Document[Results]) -> Figure:
    """Largest error and KL divergence along the texts, every comparison run.

    Args:
        document: the results of the alignment section.
    """
    runs = runs_of(document)
    bins = sorted({row.from_ for run in runs.values() for row in run.by_position})
    missing: list[Missing] = []
    with canvas(5.2, 2, 1, sharex=True) as (figure, panels):
        for axes, (key, label) in zip(panels, _ERRORS.items(), strict=True):
            for index, (name, run) in enumerate(runs.items()):
                tone, marker = mark_of(name, index, document.params)
                for row in run.by_position:
                    place = bins.index(row.from_) + beside(index, len(runs))
                    middle, high = getattr(row, f"{key}_median"), getattr(row, f"{key}_p90")
                    if middle is None or high is None:
                        missing.append((f"{label}, {_place(row)} ({words(name)})", getattr(row, f"{key}_median_why")))
                    elif middle > 0:
                        axes.plot([place, place], [middle, high], color=tone, linewidth=1.2)
                        axes.plot(place, middle, marker, color=tone)
            if axes.lines:
                error_axis(axes, "y")
            axes.set_ylabel(label)
            axes.grid(True, axis="y")
            axes.grid(False, axis="x")
        panels[0].set_title(_furthest(runs))
        panels[1].set_title(_highest(runs))
        _name_bins(panels[1], [str(low) for low in bins])
        panels[1].set_xlabel("position in the text: the first of each group, and on to the next")
        _legend(figure, panels[0], document)
        caption = (
            "Every compared position of every text, grouped in widths that double. Marks are medians, lines reach up "
            "to the 90th percentile, on logarithmic axes. An engine with errors only late in a text, or only at "
            "its start, would lie above the noise floor there."
        )
        return finish(figure, _position_words(runs), caption + missing_words(missing))


def profile_by_margin(document: Document[Results]) -> Figure:
    """How often each comparison run has the reference's best token, by the reference's margin over its second best.

    Args:
        document: the results of the alignment section.
    """
    runs = runs_of(document)
    bins = sorted({row.from_ for run in runs.values() for row in run.by_margin})
    with canvas(3.1) as (figure, (axes,)):
        for index, (name, run) in enumerate(runs.items()):
            tone, marker = mark_of(name, index, document.params)
            for row in run.by_margin:
                place = bins.index(row.from_) + beside(index, len(runs))
                axes.plot([place, place], [row.ci_low, row.ci_high], color=tone, linewidth=1.2)
                axes.plot(place, row.share, marker, color=tone)
        axes.set_title(_sure(runs))
        axes.set_ylim(-0.03, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_ylabel("same best token")
        axes.grid(True, axis="y")
        axes.grid(False, axis="x")
        _name_bins(axes, [short(low) for low in bins])
        axes.set_xlabel("the reference's margin, in logits: the least of each group, and on to the next")
        _legend(figure, axes, document)
        caption = (
            "Share of positions whose most probable token is the reference's, by the margin of the reference's best "
            "token over its second best, with 95 % intervals (Wilson). Rounding can change only near ties: "
            "a correct engine is below 100 % only at the left."
        )
        return finish(figure, _margin_words(runs), caption)


def _name_bins(axes: Axes, names: Sequence[str]) -> None:
    every = 2 if len("".join(names)) > _MOST_LETTERS else 1
    axes.set_xticks(range(0, len(names), every), names[::every])
    axes.tick_params(axis="x", length=0)


def _legend(figure: Canvas, axes: Axes, document: Document[Results]) -> None:
    runs = runs_of(document)
    for index, name in enumerate(runs):
        tone, marker = mark_of(name, index, document.params)
        axes.plot([], [], marker, color=tone, label=words(name))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=figure_style.columns(len(runs)))


def _place(row: PositionBin) -> str:
    return f"position {row.from_}" if row.from_ == row.to else f"positions {row.from_}–{row.to}"


def _furthest(runs: Runs) -> str:
    """Where a candidate's error is largest relative to the noise floor's at the same positions, as a title."""
    rows = [row for name, run in runs.items() if name != NOISE_FLOOR for row in run.by_position]
    ratios = [(row.noise_ratio, _place(row)) for row in rows if row.noise_ratio is not None]
    if not ratios:
        return "Largest error, position by position"
    ratio, where = max(ratios)
    return f"Error at most {short(ratio)}× the noise floor's, at {where}"


def _highest(runs: Runs) -> str:
    """Where the median KL divergence of a run is largest, as a title."""
    medians = [(row.kl_divergence_median, _place(row)) for run in runs.values() for row in run.by_position]
    if not medians:
        return "KL divergence, position by position"
    kl, where = max(medians)
    return f"Median KL at most {kl:.2g} nats, at {where}"


def _differing(rows: Iterable[MarginBin]) -> list[MarginBin]:
    return [row for row in rows if row.share < 1]


def _sure(runs: Runs) -> str:
    """From which margin on no run has another best token, as a title."""
    rows = [row for run in runs.values() for row in run.by_margin]
    if not rows:
        return "Agreement by margin"
    flipped = _differing(rows)
    if not flipped:
        return "No best token differs, at any margin"
    last = max(row.to for row in flipped)
    if last >= max(row.to for row in rows):
        return "Best tokens differ even at the largest margins"
    return f"From a margin of {short(last)} on, no best token differs"


def _position_words(runs: Runs) -> str:
    said = []
    for name, run in runs.items():
        medians = [row.kl_divergence_median for row in run.by_position]
        errors = [row.max_abs_err_median for row in run.by_position if row.max_abs_err_median is not None]
        spread = f", largest error {short(min(errors))} to {short(max(errors))}" if errors else ""
        if medians:
            said.append(f"{words(name)}: median KL {min(medians):.2g} to {max(medians):.2g} nats{spread}")
    return f"Error and KL divergence by position. {_furthest(runs)}. {'; '.join(said) or 'Nothing measured'}."


def _margin_words(runs: Runs) -> str:
    said = []
    for name, run in runs.items():
        below = [f"{row.same} of {row.n} from {short(row.from_)}" for row in _differing(run.by_margin)]
        if run.by_margin:
            said.append(
                f"{words(name)}: {'; '.join([listed(below), 'all others the same']) if below else 'all the same'}"
            )
    return f"Agreement of the best token by the reference's margin. {_sure(runs)}. {'; '.join(said) or 'Not measured'}."
