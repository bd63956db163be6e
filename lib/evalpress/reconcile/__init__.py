"""Result files of other benchmark clients, recomputed under the definitions of `vllm bench serve`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalpress.reconcile import detect, judge
from evalpress.reconcile.results import Absent, File, Reconciliation, Row

__all__ = ["Absent", "File", "Reconciliation", "Row", "reconcile"]


def reconcile(paths: Sequence[Path]) -> Reconciliation:
    """Read result files (or folders that hold them) and compute every figure under vLLM's definitions.

    Files that belong to one run (a summary and its requests) are read together, whichever of them is named.

    Raises:
        UserError: a file cannot be read, or is none of the known tools'.
    """
    seen: set[tuple[Path, ...]] = set()
    found: list[File] = []
    for path in paths:
        for run in detect.runs(path):
            key = (*(one.resolve() for one in run.files), Path(run.name))
            if key not in seen:
                seen.add(key)
                found.append(judge.file_of(run))
    return Reconciliation(files=tuple(found))
