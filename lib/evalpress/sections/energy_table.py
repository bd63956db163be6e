"""The table of energy, shared by the benchmark and the serving section."""

from __future__ import annotations

from collections.abc import Sequence

from evalpress.display.tables import Cell, Column, Missing, Table, pick
from evalpress.platforms.power import Energy

TITLE = "Energy and power"
_HEADS: dict[str, Column | str] = {
    "joules": Column("energy", "J"),
    "j_per_output_token": Column("per output token", "J"),
    "output_tok_s_per_w": "tok/s per W",
    "mean_w": Column("mean power", "W"),
    "utilisation_percent": "utilisation, %",
    "temperature_max_c": "hottest, °C",
    "readings": "readings",
    "resolution_s": Column("a reading every", "s"),
}


def table(heads: Sequence[str], rows: Sequence[tuple[Sequence[Cell], Energy]], source: str | None, why: str) -> Table:
    """One row per load.

    Args:
        heads: of the first columns, which name a load.
        source: what told the power; None where nothing did, and `why` says why.
    """
    if source is None:
        return Table(TITLE, ["", ""], [["not measured", Missing(why)]])
    cells: list[list[Cell]] = [[*names, *(pick(found, key) for key in _HEADS)] for names, found in rows]
    note = (
        f"Read from {source} during the load. Energy of the whole device, with idle power and the share of other "
        "programs. It is uncertain by about the time between two readings at each end of a load. Tokens per second "
        "and watt are tokens per joule."
    )
    return Table(TITLE, [*heads, *_HEADS.values()], cells, note=note)
