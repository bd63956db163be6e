"""Which tool wrote a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.reconcile import (
    reader_aiperf,
    reader_aisbench,
    reader_evalscope,
    reader_guidellm,
    reader_vllm,
)
from evalpress.reconcile.access import lines, load, text
from evalpress.reconcile.observed import Run

_JSON = (reader_guidellm, reader_aiperf, reader_evalscope, reader_aisbench, reader_vllm)
_KNOWN = (
    "vllm bench serve --save-result, GuideLLM (benchmarks.json), AIPerf (profile_export_aiperf.json, "
    "profile_export.jsonl), EvalScope perf (benchmark_summary.json, benchmark_data.db), "
    "AISBench (DATASET.csv, DATASET.json, DATASET_details.jsonl)"
)
_NAMED = ("benchmarks.json", "profile_export_aiperf.json", "profile_export.jsonl", "benchmark_summary.json")


def runs(path: Path) -> list[Run]:
    """The runs that a file or a folder holds.

    Raises:
        UserError: it cannot be read, or no known tool wrote it.
    """
    if path.is_dir():
        return _of_folder(path)
    reader = _reader(path)
    if reader is None:
        raise UserError(f"{path}: found a file of no known tool, allowed {_KNOWN}")
    return reader(path)


def _of_folder(folder: Path) -> list[Run]:
    named = [folder / name for name in _NAMED if (folder / name).is_file()]
    if named:
        return runs(named[0])
    others = sorted(path for suffix in ("*.json", "*.jsonl", "*.csv", "*.db") for path in folder.glob(suffix))
    found = {path: reader for path in others if (reader := _quietly(path)) is not None}
    if not found:
        raise UserError(f"{folder}: found no result file in this folder, allowed {_KNOWN}")
    return [run for path, reader in found.items() for run in reader(path)]


def _quietly(path: Path) -> Callable[[Path], list[Run]] | None:
    try:
        return _reader(path)
    except UserError:
        return None


def _reader(path: Path) -> Callable[[Path], list[Run]] | None:
    if path.suffix == ".jsonl":
        first = next(iter(lines(path)), None)
        if first is not None and reader_vllm.reads(first):
            return reader_vllm.runs_of_lines
        found = next((one for one in (reader_aiperf, reader_aisbench) if one.reads_lines(first)), None)
        return found.runs if found else None
    if path.suffix == ".csv":
        return reader_aisbench.runs if reader_aisbench.reads_csv(text(path)) else None
    if path.suffix == ".db":
        return reader_evalscope.runs
    document = load(path)
    reader = next((one for one in _JSON if one.reads(document)), None)
    return reader.runs if reader else None
