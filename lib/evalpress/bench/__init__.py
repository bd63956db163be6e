"""Benchmark room: workloads, schedule, metric definitions, ceilings."""

from evalpress.bench.measure import measure, report

__all__ = ["measure", "report"]
