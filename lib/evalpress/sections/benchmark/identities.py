"""Identities that the benchmark's own figures must satisfy; a broken one fails the section."""

from __future__ import annotations

from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.core.units import GIB
from evalpress.model import ArchitectureFacts
from evalpress.params.schema import Params


def check(
    data: dict[str, Any], blocks: dict[str, Any], facts: ArchitectureFacts, params: Params
) -> list[dict[str, Any]]:
    """Every identity with what was found.

    Raises:
        MeasurementError: an identity that holds by definition is broken.
    """
    found = [*_requests(blocks, params), *_rates(data), *_startup(data), *_memory(data, facts)]
    broken = [item for item in found if item["status"] == "broken"]
    if broken:
        raise MeasurementError("identity broken: " + "; ".join(f"{b['id']}: {b['found']}" for b in broken))
    return found


def _item(name: str, statement: str, holds: bool, found: str, *, strict: bool = True) -> dict[str, Any]:
    status = "ok" if holds else ("broken" if strict else "note")
    return {"id": name, "statement": statement, "status": status, "found": found}


def _requests(blocks: dict[str, Any], params: Params) -> list[dict[str, Any]]:
    requests = [(name, r) for name, modes in blocks.items() for bs in modes.values() for b in bs for r in b["requests"]]
    late = [name for name, r in requests if r["ttft"] > r["e2el"] + 1e-9]
    loads = params.benchmark.workloads
    short = [name for name, r in requests if r["output_tokens"] != loads[name].output_len]
    return [
        _item(
            "ttft_le_e2el",
            "TTFT ≤ E2EL for every request",
            not late,
            f"{len(late)} of {len(requests)} requests break it",
        ),
        _item(
            "output_len",
            "every request generated exactly its workload's output_len (ignore_eos)",
            not short,
            f"{len(short)} of {len(requests)} requests break it",
        ),
    ]


def _rates(data: dict[str, Any]) -> list[dict[str, Any]]:
    worst = 0.0
    for mode in data["modes"].values():
        for w in mode["workloads"].values():
            worst = max(worst, abs(w["output_throughput"] * w["duration"] / w["total_output_tokens"] - 1))
    return [
        _item(
            "rate_times_time",
            "output_throughput × duration = total_output_tokens",
            worst < 1e-9,
            f"largest relative gap {worst:.1e}",
        )
    ]


def _startup(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Phases that together take longer than the whole start overlap: the log was read wrongly."""
    rows = []
    for name, mode in data["modes"].items():
        rest, total = mode["startup"]["unaccounted_s"], mode["startup"]["total_s"]
        words = f"{total - rest:.2f} s of phases in {total:.2f} s"
        rows.append(
            _item(f"startup_{name}", "start-up phases ≤ the whole start", rest >= -0.01 * total, words, strict=False)
        )
    return rows


def _memory(data: dict[str, Any], facts: ArchitectureFacts) -> list[dict[str, Any]]:
    out = []
    for name, mode in data["modes"].items():
        weights = mode["memory"]["model_weights_gib"]
        if weights is not None and facts.weight_bytes:
            gap = weights * GIB / facts.weight_bytes - 1
            out.append(
                _item(
                    f"weights_{name}",
                    "weights in memory = parameters × bytes per parameter (tied embeddings once), within 5 %",
                    abs(gap) <= 0.05,
                    f"{weights * 1024:.2f} MiB loaded, {facts.weight_bytes / 2**20:.2f} MiB by arithmetic ({gap:+.1%})",
                    strict=False,
                )
            )
        tokens, gib = mode["memory"]["kv_cache_tokens"], mode["memory"]["kv_cache_gib"]
        if tokens is not None and gib is not None and facts.kv_bytes_per_token and facts.kv_is_uniform:
            need = tokens * facts.kv_bytes_per_token / GIB
            out.append(
                _item(
                    f"kv_cache_{name}",
                    "KV tokens × KV bytes per token ≤ memory given to the KV cache (1 % for rounding)",
                    need <= gib * 1.01,
                    f"{tokens:,} tokens need {need:.3f} GiB, {gib:.3f} GiB given",
                    strict=False,
                )
            )
    return out
