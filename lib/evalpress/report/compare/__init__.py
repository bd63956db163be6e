"""Two finished reports beside each other: what differs between the runs, and one verdict per figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalpress.report.compare import agreement, speed
from evalpress.report.compare.row import Row
from evalpress.report.compare.run import Run, load

__all__ = ["Comparison", "Row", "compare"]


@dataclass(frozen=True)
class Comparison:
    """`conditions` are what the runs were made with: name -> (of a, of b)."""

    a: str
    b: str
    conditions: dict[str, tuple[str, str]]
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """As `evalpress compare --json` prints it."""
        conditions = [
            {"name": name, "a": first, "b": second, "same": first == second}
            for name, (first, second) in self.conditions.items()
        ]
        return {"a": self.a, "b": self.b, "conditions": conditions, "rows": [row.as_dict() for row in self.rows]}


def compare(a: str, b: str, reports_dir: str = "reports") -> Comparison:
    """Compare two runs, each named by its set or by its folder.

    Raises:
        UserError: a run has no usable results.
    """
    first, second = load(a, reports_dir), load(b, reports_dir)
    conditions = {name: (_condition(first, name), _condition(second, name)) for name in _CONDITIONS}
    model = conditions["model"]
    why_not = "" if model[0] == model[1] else f"another model: {model[0]} and {model[1]}"
    rows = [
        *speed.rows(first, second, why_not),
        *agreement.numerics(first, second, why_not),
        *agreement.determinism(first, second),
        *agreement.quality(first, second),
    ]
    return Comparison(a, b, conditions, tuple(rows))


_CONDITIONS = (
    "model",
    "device",
    "processor",
    "dtype",
    "vllm",
    "vllm_ascend",
    "torch",
    "torch_npu",
    "transformers",
    "commit",
)


def _condition(run: Run, name: str) -> str:
    document = next(iter(run.sections.values()))
    found: Any = {
        "model": document.params["model"].get("name") or document.params["model"]["path"],
        "device": (run.provenance.get("device") or {}).get("name"),
        "processor": (run.provenance.get("host") or {}).get("cpu_model"),
        "dtype": document.params["engine"]["dtype"],
        "commit": (run.provenance.get("git") or {}).get("commit"),
        **run.provenance.get("versions", {}),
    }.get(name)
    return "not known" if found is None else str(found)
