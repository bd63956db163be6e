"""Details in tables: single positions that stand out, and where the section's time went."""

from __future__ import annotations

from evalpress.core.results import Document
from evalpress.display.tables import Cell, Column, Missing, Prose, Table, number
from evalpress.sections.alignment.migration import OLDER
from evalpress.sections.alignment.results import CONCURRENT, DecodeRun, Results, Run
from evalpress.sections.alignment.tables import name_of

_SHOWN = 3
_PARTS = {
    "engine_loads_s": "loading engines",
    "engine_steps_s": "vLLM's prefill and decode steps",
    "forward_passes_s": "transformers' forward passes",
    "comparisons_s": "comparing logits",
    "other_s": "the rest",
}


def outliers(document: Document[Results]) -> Table | Prose:
    """Positions whose error is far beyond the error of correct arithmetic there, run by run."""
    runs: dict[str, Run | DecodeRun] = {name_of(name): run for name, run in document.data.candidates.items()}
    runs |= {f"decode: {name.replace('_', ' ')}": run for name, run in document.data.decode.items()}
    judged = [run.outliers for run in runs.values() if run.outliers is not None]
    if not judged:
        why = dict.fromkeys(run.outliers_why or "not measured" for run in runs.values())
        return Prose(f"Single positions that stand out: {'; '.join(why) or 'no run was compared'}.")
    rows: list[list[Cell]] = []
    for name, run in runs.items():
        if run.outliers is None:
            rows.append([name, run.n_positions, *[Missing(run.outliers_why or "not measured")] * 2, ""])
            continue
        first = [f"{one.prompt_id}, position {one.position}: {number(one.ratio)}" for one in run.outliers.list[:_SHOWN]]
        rows.append([name, run.n_positions, run.outliers.largest_ratio, run.outliers.count, "; ".join(first) or "none"])
    heads: list[Column | str] = ["run", "positions", Column("largest ratio", "ratio"), "stand out", "which"]
    note = (
        "Centred RMSE of a position (RMSE of the logits less their mean error, which softmax does not see) over the "
        "noise floor's there, or over the noise floor's median (of a mixture of experts: largest) where that is more; "
        f"beyond {number(judged[0].factor)} a position stands out. A mean hides one bad position in a thousand."
    )
    return Table("Single positions that stand out", heads, rows, note=note)


def beside_alone(document: Document[Results]) -> Prose:
    """How large the errors of prompts among others are beside those of the same prompts alone."""
    said = []
    among_others = [name for name in document.data.decode if name.endswith(CONCURRENT)]
    for name in among_others:
        found = document.data.decode[name].beside_alone
        if found is None:
            continue
        words = (
            f"{name.replace('_', ' ')}: {found.identical} of {found.n_positions} positions err by exactly as much as "
        )
        words += "those of the same prompts alone"
        if found.ratio is None or found.low is None:
            said.append(f"{words}; the ratio of errors is not known: {found.ratio_why}.")
        else:
            said.append(f"{words}; errors are {number(found.ratio)} times as large (at least {number(found.low)}).")
    if said:
        return Prose("\n\n".join(said))
    if among_others:
        return Prose(f"Errors among others beside those alone: {OLDER}.")
    return Prose("No run answered the prompts among others.")


def spent(document: Document[Results]) -> Prose:
    """Where the section's time went."""
    found = document.data.spent
    if found is None:
        return Prose(f"Where the section's time went is not known: {document.data.spent_why}.")
    parts = [f"{words} {number(getattr(found, key))} s" for key, words in _PARTS.items()]
    return Prose(
        f"The section took {number(found.total_s)} s: {', '.join(parts)}. Comparisons are "
        f"{number(found.comparisons_share, 'share')} of it."
    )
