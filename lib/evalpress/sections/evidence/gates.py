"""What must hold of the evidence section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalpress.params.schema import Params
from evalpress.sections.gate import Gate, gate


def gates(params: Params, data: Any) -> Iterator[Gate]:
    """The gates of the evidence section."""
    for rung in data["determinism"]:
        if rung["identical"] is None:
            continue  # it was not measured: the ladder shows why
        found = f"{rung['identical']} of {rung['of']} identical"
        whole = rung["identical"] == rung["of"]
        if rung["rung"] == "same_engine_again":
            strict = params.gates.evidence_repeats_identical
            status = "pass" if whole else ("fail" if strict else "warn")
            yield gate("evidence", "repeats_identical", status, found, "all outputs identical when asked again")
        elif not whole:
            yield gate("evidence", rung["rung"], "warn", found, "all identical; a difference is a finding")
