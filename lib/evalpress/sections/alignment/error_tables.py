"""The alignment section's tables of errors that a mean does not show: tails over positions, and single logits."""

from __future__ import annotations

from evalpress.core import stats
from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import Cell, Column, Missing, Table, pick
from evalpress.sections.alignment.results import Results
from evalpress.sections.alignment.run_labels import runs_of
from evalpress.sections.alignment.tables import name_of

__dir__ = own_functions(__name__)


def tails(document: Document[Results]) -> Table:
    """Percentiles over positions, which a mean does not show: every run, prefill and decode."""
    found = [(name_of(name), run.tails) for name, run in runs_of(document).items()]
    found += [(f"decode: {name.replace('_', ' ')}", run.tails) for name, run in document.data.decode.items()]
    names = {
        "kl_divergence": "KL, nats",
        "probability_change": "probability of the reference's best token",
        "logprob_change": "log-probability of the text's next token",
    }
    keys = ("median", "p90", "p99", "p99_9", "max")
    rows: list[list[Cell]] = []
    for name, tails in found:
        for key, words in names.items():
            tail = getattr(tails, key, None)
            if tails is None or tail is None:
                continue
            shown: list[Cell] = [
                Missing(why) if (why := stats.too_few(at, tails.n_positions, "positions")) else pick(tail, at)
                for at in keys
            ]
            rows.append([name, words, tails.n_positions, *shown])
    return Table("Tails", ["run", "what", "positions", *(key.replace("_", ".") for key in keys)], rows)


def closeness(document: Document[Results]) -> Table:
    """Shares of single logits within a relative error, beside the noise floor's."""
    columns: dict[str, Column | str] = {
        "run": "run",
        "mean_relative_error": "mean relative error",
        "match_within_1_percent": Column("within 1 %", "share"),
        "match_within_5_permille": Column("within 0.5 %", "share"),
        "match_within_2_permille": Column("within 0.2 %", "share"),
    }
    note = "Share of logits whose error is at most so much of the reference's: the dtype alone often fails a 1 % rule."
    records = [({"run": name_of(name)}, run) for name, run in runs_of(document).items()]
    return Table.from_records("Relative errors of single logits", columns, records, note=note)
