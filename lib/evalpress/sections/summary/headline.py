"""The headline: speed of all modes in few rows, valid only if the results are correct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalpress.params.engine import COMPILED, EAGER
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.gate import Gate
from evalpress.sections.summary.measured import single_workload, throughput_workload
from evalpress.sections.summary.results import Headline, HeadlineRow

ADVERSE = ("evidence", "alignment", "quality")
"""Sections whose failed gates make speed not valid."""
_ONCE = "starts are not paired: one cannot be compared with another"
_NO_MODE = "this mode was not measured (engine.modes)"


def headline(benchmark: Benchmark | None, gates: Sequence[Gate]) -> Headline:
    """The card's first benchmark table: eager, compiled and the change, with its interval.

    One throughput: every request of a workload has the same length, so requests and tokens per second have one ratio.

    `valid` is false when a gate of evidence, alignment or quality fails: speed figures of wrong results are not valid.
    """
    wrong = [f"{gate.section}.{gate.id}" for gate in gates if gate.status == "fail" and gate.section in ADVERSE]
    why = f"speed counts only with correctness; failed: {', '.join(wrong)}" if wrong else None
    if benchmark is None:
        return Headline(valid=not wrong, valid_why=why, rows=(), rows_why="the benchmark section has no results")
    compiling = [mode for mode in benchmark.modes if mode != EAGER] or [COMPILED]
    rows = [
        _row(benchmark, mode, label=label, workload=name, metric=metric, unit=unit)
        for label, name, metric, unit in (
            ("output throughput", throughput_workload(benchmark), "output_throughput", "tok/s"),
            ("TTFT, mean, one request at a time", single_workload(benchmark), "mean_ttft_ms", "ms"),
        )
        if name is not None
        for mode in compiling
    ]
    rows += [row for mode in compiling for row in _starts(benchmark, mode)]
    return Headline(valid=not wrong, valid_why=why, rows=tuple(rows))


def _starts(benchmark: Benchmark, mode: str) -> Iterator[HeadlineRow]:
    """The start of a mode as it was measured, and the start with an empty compile cache where that is another one."""
    totals: dict[str, float | None] = {name: found.startup.total_s for name, found in benchmark.modes.items()}
    measured = benchmark.modes.get(mode)
    cache = "" if measured is None or mode == EAGER else ", empty compile cache" if measured.startup.cold else ", warm"
    more = {"unit": "s", "workload": "start-up"}
    yield _alone(totals, mode, _ONCE, label=f"start-up, import to ready{cache}", **more)
    if measured is not None and measured.startup_cold is not None and not measured.startup.cold:
        totals[mode] = measured.startup_cold.total_s
        yield _alone(totals, mode, _ONCE, label="start-up, import to ready, empty compile cache", **more)


def _row(benchmark: Benchmark, mode: str, *, workload: str, metric: str, **more: str) -> HeadlineRow:
    pair = benchmark.pairs.get(mode)
    compared = pair.comparison.get(workload, {}).get(metric) if pair else None
    if compared:
        known = {key: value for key, value in compared if key in HeadlineRow.model_fields}
        return HeadlineRow.model_validate(more | known | {"mode": mode, "workload": workload, "metric": metric})
    values = {name: getattr(found.workloads[workload], metric) for name, found in benchmark.modes.items()}
    why = benchmark.comparison_why or "not compared"
    return _alone(values, mode, why, workload=workload, metric=metric, **more)


def _alone(values: Mapping[str, float | None], mode: str, why: str, **more: Any) -> HeadlineRow:
    """A row of a figure that was not compared, with the reason; a mode without a value has its own."""
    eager, compiled = values.get(EAGER), values.get(mode)
    return HeadlineRow(
        mode=mode,
        eager=eager,
        eager_why=_NO_MODE if eager is None else None,
        compiled=compiled,
        compiled_why=_NO_MODE if compiled is None else None,
        ratio_why=why,
        ci_low_why=why,
        ci_high_why=why,
        **more,
    )
