"""What must hold of the evidence section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.schema import Params
from evalpress.sections.evidence.results import Check, Results
from evalpress.sections.gate import Gate, Status, gate

_REPEATS = "same_engine_again"
_LOOPS_ONLY = frozenset({"repetition_loop"})


def gates(params: Params, data: Results) -> Iterator[Gate]:
    """The gates of the evidence section: one per measured check, one for signs of a broken engine."""
    for check in data.determinism:
        if check.identical is None:
            continue  # it was not measured: the table of checks shows why
        strict = check.rung == _REPEATS and params.gates.evidence_repeats_identical
        name = "repeats_identical" if check.rung == _REPEATS else check.rung
        allowed = "all outputs identical when asked again" if strict else "identical, or different at near ties only"
        yield gate("evidence", name, _status(check, strict=strict), found(check), allowed)
    yield from _abnormal(data)


def _status(check: Check, *, strict: bool) -> Status:
    if check.identical == check.of:
        return "pass"
    if strict or check.unexplained:
        return "fail"
    return "warn" if check.unexplained is None else "pass"


def found(check: Check) -> str:
    """The check's outcome in words."""
    words = f"{check.identical} of {check.of} identical"
    if check.identical == check.of:
        return words
    if check.unexplained is None:
        return f"{words}, not explained: {check.unexplained_why}"
    return f"{words}, {check.explained} explained by rounding, {check.unexplained} unexplained"


def _abnormal(data: Results) -> Iterator[Gate]:
    if data.abnormal is None:
        return
    alarms = [(row.mode, alarm) for row in data.abnormal for alarm in row.alarms if alarm.habit is not True]
    kinds = {alarm.kind for _, alarm in alarms}
    known = all(alarm.habit is not None for _, alarm in alarms)
    status: Status = "pass" if not alarms else ("fail" if known and not kinds <= _LOOPS_ONLY else "warn")
    shown = "; ".join(f"{mode}, {alarm.case}: {alarm.found}" for mode, alarm in alarms[:3]) or "none"
    yield gate("evidence", "abnormal_outputs", status, shown, "no sign that the float32 reference does not share")
