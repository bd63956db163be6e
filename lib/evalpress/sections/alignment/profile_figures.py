"""How the difference from the reference is spread: along the texts, and by how sure the reference is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import Missing, listed, missing_words, short, words
from evalpress.sections.alignment.run_labels import NOISE_FLOOR, beside, error_axis, legs_of, look_of

__dir__ = own_functions(__name__)

Legs = Mapping[str, Mapping[str, Any]]
Row = Mapping[str, Any]
Bins = Sequence[tuple[Any, Any]]
_ERRORS = {"max_abs_err": "largest error", "kl_divergence": "KL divergence, nats"}


def profile_by_position(document: dict[str, Any]) -> Figure:
    """Largest error and KL divergence along the texts, every leg.

    Args:
        document: the alignment's results; reads `by_position[]` of `noise_floor` and of each of `candidates`.
    """
    legs = legs_of(document)
    bins = _bins(legs, "by_position")
    missing: list[Missing] = []
    with canvas(4.6, 2, 1, sharex=True) as (figure, panels):
        for axes, (key, label) in zip(panels, _ERRORS.items(), strict=True):
            for place, name, look, row in _marks(legs, "by_position", bins):
                middle, high = row.get(f"{key}_median"), row.get(f"{key}_p90")
                if middle is None or high is None:
                    missing.append((f"{label}, {_place(row)} ({words(name)})", row.get(f"{key}_median_why")))
                elif middle > 0:
                    axes.plot([place, place], [middle, high], color=look[0], linewidth=1.2)
                    axes.plot(place, middle, look[1], color=look[0])
            if axes.lines:
                error_axis(axes, "y")
            axes.set_ylabel(label)
            axes.grid(True, axis="y")
            axes.grid(False, axis="x")
        panels[0].set_title(_furthest(legs))
        panels[1].set_title(_highest(legs))
        _name_bins(panels[1], [str(low) for low, _ in bins])
        panels[1].set_xlabel("position in the text: the first of each group, and on to the next")
        _legend(figure, panels[0], legs)
        caption = (
            "Every compared position of every text, grouped in widths that double. Marks are medians, lines reach up "
            "to the 90th percentile, on logarithmic axes. An engine that is wrong only far into a text, or only at "
            "its start, would rise there above the noise floor."
        )
        return finish(figure, _position_words(legs), caption + missing_words(missing))


def profile_by_margin(document: dict[str, Any]) -> Figure:
    """How often each leg has the reference's best token, by the reference's margin over its second best.

    Args:
        document: the alignment's results; reads `by_margin[]` of `noise_floor` and of each of `candidates`.
    """
    legs = legs_of(document)
    bins = _bins(legs, "by_margin")
    missing: list[Missing] = []
    with canvas(2.7) as (figure, (axes,)):
        for place, name, look, row in _marks(legs, "by_margin", bins):
            share, low, high = (row.get(key) for key in ("share", "ci_low", "ci_high"))
            if share is None or low is None or high is None:
                missing.append((f"margin from {row.get('from')} ({words(name)})", row.get("share_why")))
                continue
            axes.plot([place, place], [low, high], color=look[0], linewidth=1.2)
            axes.plot(place, share, look[1], color=look[0])
        axes.set_title(_sure(legs))
        axes.set_ylim(-0.03, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_ylabel("same best token")
        axes.grid(True, axis="y")
        axes.grid(False, axis="x")
        _name_bins(axes, [short(low) if low is not None else "" for low, _ in bins])
        axes.set_xlabel("the reference's margin, in logits: the least of each group, and on to the next")
        _legend(figure, axes, legs)
        caption = (
            "Share of positions whose most probable token is the reference's, by the margin of the reference's best "
            "token over its second best, with 95 % intervals (Wilson). Rounding can change only what is nearly tied: "
            "a sound engine falls below 100 % at the left alone."
        )
        return finish(figure, _margin_words(legs), caption + missing_words(missing))


def _bins(legs: Legs, key: str) -> Bins:
    """(from, to) of every group that any leg has, in order."""
    found = {row.get("from"): row.get("to") for leg in legs.values() for row in leg.get(key) or []}
    return sorted(found.items(), key=lambda pair: pair[0] or 0)


def _marks(legs: Legs, key: str, bins: Bins) -> Iterator[tuple[float, str, tuple[str, str], Row]]:
    """Where on the horizontal axis, whose, in which look, and the row itself."""
    places = {low: place for place, (low, _) in enumerate(bins)}
    for index, (name, leg) in enumerate(legs.items()):
        for row in leg.get(key) or []:
            yield places[row.get("from")] + beside(index, len(legs)), name, look_of(name, index), row


def _name_bins(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)


def _legend(figure: Any, axes: Axes, legs: Legs) -> None:
    for index, name in enumerate(legs):
        tone, marker = look_of(name, index)
        axes.plot([], [], marker, color=tone, label=words(name))
    if legs:
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper left", ncols=figure_style.columns(len(legs))
        )


def _place(row: Row) -> str:
    low, high = row.get("from"), row.get("to")
    return f"position {low}" if low == high else f"positions {low}–{high}"


def _furthest(legs: Legs) -> str:
    """Where a candidate's error is largest beside the noise floor's at the same positions, as a title."""
    ratios = _of_rows({name: leg for name, leg in legs.items() if name != NOISE_FLOOR}, "noise_ratio")
    if not ratios:
        return "Largest error, position by position"
    ratio, where = max(ratios)
    return f"Error at most {short(ratio)}× the noise floor's, at {where}"


def _highest(legs: Legs) -> str:
    """Where the median KL divergence of a leg is largest, as a title."""
    medians = _of_rows(legs, "kl_divergence_median")
    if not medians:
        return "KL divergence, position by position"
    kl, where = max(medians)
    return f"Median KL at most {kl:.2g} nats, at {where}"


def _of_rows(legs: Legs, key: str) -> list[tuple[float, str]]:
    """Every known value of a column, and where it is."""
    rows = [row for leg in legs.values() for row in leg.get("by_position") or []]
    return [(row[key], _place(row)) for row in rows if row.get(key) is not None]


def _sure(legs: Legs) -> str:
    """From which margin on no leg has another best token, as a title."""
    rows = [row for leg in legs.values() for row in leg.get("by_margin") or [] if row.get("share") is not None]
    if not rows:
        return "Agreement by margin"
    flipped = [row for row in rows if row["share"] < 1]
    if not flipped:
        return "No best token differs, at any margin"
    last = max(row["to"] for row in flipped)
    if last >= max(row["to"] for row in rows):
        return "Best tokens differ even at the largest margins"
    return f"From a margin of {short(last)} on, no best token differs"


def _position_words(legs: Legs) -> str:
    said = []
    for name, leg in legs.items():
        rows = [row for row in leg.get("by_position") or [] if row.get("kl_divergence_median") is not None]
        if rows:
            medians = [row["kl_divergence_median"] for row in rows]
            errors = [row["max_abs_err_median"] for row in rows if row.get("max_abs_err_median") is not None]
            spread = f", largest error {short(min(errors))} to {short(max(errors))}" if errors else ""
            said.append(f"{words(name)}: median KL {min(medians):.2g} to {max(medians):.2g} nats{spread}")
    return f"Error and KL divergence by position. {_furthest(legs)}. {'; '.join(said) or 'Nothing measured'}."


def _margin_words(legs: Legs) -> str:
    said = []
    for name, leg in legs.items():
        rows = [row for row in leg.get("by_margin") or [] if row.get("share") is not None]
        below = [f"{row['same']} of {row['n']} from {short(row['from'])}" for row in rows if row["share"] < 1]
        if rows:
            said.append(f"{words(name)}: {listed(below) + ', all others the same' if below else 'all the same'}")
    return f"Agreement of the best token by the reference's margin. {_sure(legs)}. {'; '.join(said) or 'Not measured'}."
