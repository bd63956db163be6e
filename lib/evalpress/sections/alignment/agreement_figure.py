"""Agreement with the reference, text by text, as a figure."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from evalpress.core.results import Document
from evalpress.display import figure_style
from evalpress.display.completion import own_functions
from evalpress.display.figure_style import Figure, canvas, finish
from evalpress.display.wording import Missing, missing_words, words
from evalpress.sections.alignment.agreement_results import TextAgreement
from evalpress.sections.alignment.results import Results
from evalpress.sections.alignment.run_labels import Mark, beside, error_axis, mark_of, runs_of

Texts = Mapping[str, TextAgreement]
"""Id of a text -> its agreement in one comparison run."""

__dir__ = own_functions(__name__)

_LOWEST = 1e-9
"""Differences below this are drawn here: double precision itself is not far below."""


def prompt_agreement(document: Document[Results], cosine_gate: float = 0.99, kl_gate: float = 0.005) -> Figure:
    """Per text and comparison run: how far the logits are from the reference's, and whether the top token is the same.

    Args:
        document: the results of the alignment section.
        cosine_gate: least cosine similarity that the gate allows.
        kl_gate: greatest mean KL divergence in nats that the gate allows.
    """
    named = {name: {text.id: text for text in run.prompts} for name, run in runs_of(document).items()}
    ids = list(dict.fromkeys(text for texts in named.values() for text in texts))
    missing: list[Missing] = []
    with canvas(1.15 + 0.3 * max(len(ids), 2), 1, 2, sharey=True) as (figure, (left, right)):
        for index, (name, texts) in enumerate(named.items()):
            offset, mark = beside(index, len(named)), mark_of(name, index, document.params)
            left.plot([], [], mark[1], color=mark[0], label=words(name))
            for row, text in enumerate(ids):
                found = texts.get(text)
                if found is None:
                    missing.append((f"{text} ({words(name)})", None))
                    continue
                cosine, same = found.cosine_similarity, found.top1_agreement == 1
                if cosine is None:
                    missing.append((f"{text} ({words(name)})", found.cosine_similarity_why))
                else:
                    _mark(left, 1 - cosine, row + offset, mark, same)
                _mark(right, found.kl_divergence, row + offset, mark, same)
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


def _mark(axes: Axes, value: float, y: float, mark: Mark, same: bool) -> None:
    tone, marker = mark
    fill = tone if same else figure_style.SURFACE
    axes.plot(max(value, _LOWEST), y, marker, color=tone, markerfacecolor=fill)


def _difference_axes(axes: Axes, label: str, gate: float) -> None:
    error_axis(axes, "x")
    axes.margins(x=0.12)
    axes.axvline(gate, color=figure_style.INK, linewidth=1, linestyle="--")
    axes.set_xlabel(label)


def _agreement_words(named: Mapping[str, Texts]) -> str:
    said = []
    for name, texts in named.items():
        cosines = [text.cosine_similarity for text in texts.values() if text.cosine_similarity is not None]
        same = sum(text.top1_agreement == 1 for text in texts.values())
        lowest = f"lowest cosine {min(cosines):.6f}" if cosines else "no cosine measured"
        said.append(f"{words(name)}: same top token throughout {same} of {len(texts)} texts, {lowest}")
    return f"Agreement with the reference per text. {'; '.join(said)}."
