"""Agreement with the reference, text by text, as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import Missing, missing_words, words
from evalpress.sections.alignment.run_labels import Look, beside, error_axis, legs_of, look_of

__dir__ = own_functions(__name__)

_LOWEST = 1e-9
"""Differences below this are drawn here: double precision itself is not far below."""


def prompt_agreement(document: dict[str, Any], cosine_gate: float = 0.99, kl_gate: float = 0.005) -> Figure:
    """Per text and leg: how far the logits are from the reference's, and is the top token always the same.

    Args:
        document: the alignment's results; reads `prompts[]` of `noise_floor` and of each of `candidates`.
        cosine_gate: least cosine similarity that the gate allows.
        kl_gate: greatest mean KL divergence in nats that the gate allows.
    """
    named = {name: _by_name(leg) for name, leg in legs_of(document).items()}
    ids = list(dict.fromkeys(prompt for prompts in named.values() for prompt in prompts))
    missing: list[Missing] = []
    with canvas(1.15 + 0.3 * max(len(ids), 2), 1, 2, sharey=True) as (figure, (left, right)):
        for index, (name, prompts) in enumerate(named.items()):
            offset, look = beside(index, len(named)), look_of(name, index)
            left.plot([], [], look[1], color=look[0], label=words(name))
            for row, prompt in enumerate(ids):
                found = prompts.get(prompt, {})
                cosine, kl = found.get("cosine_similarity"), found.get("kl_divergence")
                same = found.get("top1_agreement") == 1
                missing += [
                    (f"{prompt} ({words(name)})", found.get(f"{key}_why"))
                    for key in ("cosine_similarity", "kl_divergence")
                    if found.get(key) is None
                ]
                _mark(left, None if cosine is None else 1 - cosine, row + offset, look, same)
                _mark(right, kl, row + offset, look, same)
        left.plot([], [], "o", color=figure_style.MUTED, markerfacecolor=figure_style.SURFACE, label="hollow: flipped")
        _difference_axes(left, "1 − cosine similarity", 1 - cosine_gate)
        _difference_axes(right, "KL divergence, nats", kl_gate)
        figure_style.name_rows(left, ids)
        columns = figure_style.columns(len(named) + 1)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=columns)
        caption = (
            "Distance of the logits from the reference's, per text over its compared positions, on logarithmic "
            "axes: further left is closer. Dashed: what the gate allows. Hollow: at some position another token "
            "is most probable."
        )
        return finish(figure, _agreement_words(named), caption + missing_words(missing))


def _by_name(candidate: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    prompts = candidate.get("prompts") or []
    return {str(p.get("id") or f"prompt {index}"): p for index, p in enumerate(prompts, 1)}


def _mark(axes: Axes, value: float | None, y: float, look: Look, same: bool) -> None:
    if value is not None:
        tone, marker = look
        fill = tone if same else figure_style.SURFACE
        axes.plot(max(value, _LOWEST), y, marker, color=tone, markerfacecolor=fill)


def _difference_axes(axes: Axes, label: str, gate: float) -> None:
    error_axis(axes, "x")
    axes.margins(x=0.12)
    axes.axvline(gate, color=figure_style.INK, linewidth=1, linestyle="--")
    axes.set_xlabel(label)


def _agreement_words(named: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    said = []
    for name, by_id in named.items():
        prompts = by_id.values()
        cosines = [p["cosine_similarity"] for p in prompts if p.get("cosine_similarity") is not None]
        same = sum(p.get("top1_agreement") == 1 for p in prompts)
        lowest = f"lowest cosine {min(cosines):.6f}" if cosines else "no cosine measured"
        said.append(f"{words(name)}: same top token throughout {same} of {len(prompts)} texts, {lowest}")
    return f"Agreement with the reference per text. {'; '.join(said) or 'Nothing measured'}."
