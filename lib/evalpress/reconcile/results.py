"""What `evalpress reconcile --json` prints."""

from __future__ import annotations

from typing import Literal

from evalpress.core.results import Model

Verdict = Literal["same", "documented", "changed", "unexplained", "not_recomputed"]


class Row(Model):
    """One figure of a file beside the same figure under vLLM's definition."""

    metric: str
    """vLLM's key: `mean_tpot_ms`, `output_throughput`, `duration`."""
    name: str
    """What the tool calls it."""
    theirs: float
    """In the unit of the key."""
    vllm: float | None
    """Recomputed from the file's own requests under vLLM's definition."""
    vllm_why: str | None = None
    ratio: float | None
    """theirs / vllm."""
    ratio_why: str | None = None
    definition: str | None
    """The definition that gives the file's figure."""
    definition_why: str | None = None
    verdict: Verdict
    """same: vLLM's definition. documented: another one, as the tool documents it. changed: one that the tool does not
    document. unexplained: no known definition gives it. not_recomputed: the file lacks the data."""


class Absent(Model):
    """A figure that vLLM gives and that the file cannot give."""

    metric: str
    why: str


class File(Model):
    """One run of one client."""

    files: tuple[str, ...]
    tool: str
    version: str | None
    version_why: str | None = None
    run: str
    """What distinguishes it from other runs in the same file; empty for a single one."""
    requests: int
    """Requests with data of their own."""
    recomputed_from: Literal["requests", "means", "totals"]
    rows: tuple[Row, ...]
    vllm: dict[str, float]
    """The figures under vLLM's definitions, by vLLM's keys."""
    not_recomputed: tuple[Absent, ...]
    notes: tuple[str, ...]


class Reconciliation(Model):
    """All files, each under its own and under vLLM's definitions."""

    files: tuple[File, ...]

    @property
    def wrong(self) -> tuple[tuple[File, Row], ...]:
        """Figures that neither vLLM's nor the tool's documented definition gives."""
        found = [(file, row) for file in self.files for row in file.rows]
        return tuple((file, row) for file, row in found if row.verdict in ("changed", "unexplained"))
