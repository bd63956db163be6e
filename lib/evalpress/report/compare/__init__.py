"""Finished reports beside each other: what differs between the runs, and one verdict per figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalpress.core.plain import Json
from evalpress.report.compare import agreement, quality, serving, speed
from evalpress.report.compare.conditions import Condition, conditions, model_name
from evalpress.report.compare.quality import CaseChange
from evalpress.report.compare.row import Row
from evalpress.report.compare.run import Run, load
from evalpress.report.compare.trend import Trend, trends

__all__ = ["Comparison", "Row", "compare", "compared"]


@dataclass(frozen=True)
class Comparison:
    """The first run beside the last; `trends` holds the headline figures of all where there are more than two.

    `a` and `b` are the two runs as they were named; `conditions` are what all runs were made with; `changes` are the
    quality cases whose verdict is another.
    """

    a: str
    b: str
    runs: tuple[Run, ...]
    conditions: tuple[Condition, ...]
    rows: tuple[Row, ...]
    changes: tuple[CaseChange, ...]
    trends: tuple[Trend, ...]

    def as_dict(self) -> Json:
        """As `evalpress compare --json` prints it."""
        found: Json = {
            "a": self.a,
            "b": self.b,
            "conditions": [
                {"topic": one.topic, "name": one.name, "a": one.values[0], "b": one.values[-1], "same": one.same}
                for one in self.conditions
            ],
            "rows": [row.as_dict() for row in self.rows],
            "changed_cases": [{"id": one.id, "category": one.category, "a": one.a, "b": one.b} for one in self.changes],
        }
        if self.trends:
            found["runs"] = [{"run": run.label, "measured": run.measured} for run in self.runs]
            found["trends"] = [trend.as_dict() for trend in self.trends]
        return found


def compare(a: str, b: str, reports_dir: str = "reports") -> Comparison:
    """Compare two runs, each named by its set or by its folder.

    Raises:
        UserError: a run has no usable results.
    """
    return compared((a, b), reports_dir)


def compared(names: Sequence[str], reports_dir: str = "reports") -> Comparison:
    """Compare the first of these runs with the last, and follow the headline figures over all of them.

    Raises:
        UserError: a run has no usable results.
    """
    runs = tuple(load(name, reports_dir) for name in names)
    first, second = runs[0], runs[-1]
    models = model_name(first), model_name(second)
    why_not = "" if models[0] == models[1] else f"another model: {models[0]} and {models[1]}"
    rows = [
        *speed.rows(first, second, why_not),
        *serving.rows(first, second, speed.machine_of(first, second), why_not),
        *agreement.numerics(first, second, why_not),
        *agreement.determinism(first, second),
        *quality.rows(first, second),
    ]
    followed = trends(runs) if len(runs) > 2 else ()
    return Comparison(
        names[0], names[-1], runs, conditions(runs), tuple(rows), quality.changes(first, second), followed
    )
