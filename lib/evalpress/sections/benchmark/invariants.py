"""What the benchmark's own figures must satisfy. A broken invariant fails its gate; the results are kept.

Each compares figures of different origin: a check that only repeats a definition could not fail.
"""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.core.units import GIB
from evalpress.model import ArchitectureFacts
from evalpress.sections.benchmark.observations import Blocks
from evalpress.sections.benchmark.results import Invariant, InvariantStatus, ModeResults, PeakRates, WorkloadShape

CLOCKS_S = 0.02
"""Clocks of the engine core and of this process are read at slightly different moments."""


def check(
    modes: dict[str, ModeResults],
    shapes: dict[str, WorkloadShape],
    blocks: Blocks,
    facts: ArchitectureFacts,
    peaks: PeakRates | None,
) -> tuple[Invariant, ...]:
    """Every invariant with what was found: `broken` where it holds by definition, `note` where it holds as a rule."""
    return (
        *_requests(blocks, shapes),
        *_durations(blocks, shapes),
        *_startup(modes),
        *_memory(modes, facts),
        *_shares(modes, facts, peaks),
    )


def _item(name: str, statement: str, holds: bool, found: str, otherwise: InvariantStatus = "broken") -> Invariant:
    return Invariant(id=name, statement=statement, status="ok" if holds else otherwise, found=found)


def _requests(blocks: Blocks, shapes: dict[str, WorkloadShape]) -> Iterator[Invariant]:
    requests = [(name, r) for name, modes in blocks.items() for bs in modes.values() for b in bs for r in b.requests]
    total = len(requests)

    def item(key: str, statement: str, wrong: int) -> Invariant:
        return _item(key, statement, wrong == 0, f"{wrong} of {total} requests break it")

    late = sum(r.ttft > r.e2el + 1e-9 for _, r in requests)
    yield item("ttft_le_e2el", "TTFT ≤ E2EL for every request", late)
    cut = sum(r.prompt_tokens != shapes[name].input_len for name, r in requests)
    yield item("input_len", "the engine counted exactly its workload's input_len for every request", cut)
    short = sum(r.output_tokens != shapes[name].output_len for name, r in requests)
    yield item("output_len", "every request generated exactly its workload's output_len (ignore_eos)", short)


def _durations(blocks: Blocks, shapes: dict[str, WorkloadShape]) -> Iterator[Invariant]:
    """The engine's times of requests against this process's clock, and against its times of single tokens."""
    long, odd, total = 0, 0, 0
    for name, by_mode in blocks.items():
        for block in (block for found in by_mode.values() for block in found):
            total += 1
            each = [r.e2el for r in block.requests]
            inside = max(each, default=0.0) if shapes[name].concurrent else sum(each)
            long += inside > block.duration * 1.01 + CLOCKS_S
            decoding = sum(r.last_token_ts - r.first_token_ts for r in block.requests)
            odd += bool(block.itl) and abs(sum(block.itl) - decoding) > 0.01 * decoding + CLOCKS_S
    yield _item(
        "e2el_le_duration",
        "the engine's E2EL fits into the block's duration by the clock of this process",
        long == 0,
        f"{long} of {total} blocks break it",
        "note",
    )
    yield _item(
        "itl_sum",
        "the gaps between tokens add up to the time from first to last token, summed over requests",
        odd == 0,
        f"{odd} of {total} blocks break it",
        "note",
    )


def _startup(modes: dict[str, ModeResults]) -> Iterator[Invariant]:
    """Phases that together take longer than the whole start overlap: the log was read wrongly."""
    for name, mode in modes.items():
        rest, total = mode.startup.unaccounted_s, mode.startup.total_s
        words = f"{total - (rest or 0.0):.2f} s of phases in {total:.2f} s" if rest is not None else ""
        words = words or str(mode.startup.unaccounted_s_why)
        yield _item(f"startup_{name}", "start-up phases ≤ the whole start", rest is not None, words, "note")


def _memory(modes: dict[str, ModeResults], facts: ArchitectureFacts) -> Iterator[Invariant]:
    for name, mode in modes.items():
        weights = mode.memory.model_weights_gib
        if weights is not None and facts.weight_bytes:
            gap = weights * GIB / facts.weight_bytes - 1
            yield _item(
                f"weights_{name}",
                "weights in memory = parameters × bytes per parameter (tied embeddings once), within 5 %",
                abs(gap) <= 0.05,
                f"{weights * 1024:.2f} MiB loaded, {facts.weight_bytes / 2**20:.2f} MiB by arithmetic ({gap:+.1%})",
                "note",
            )
        tokens, gib = mode.memory.kv_cache_tokens, mode.memory.kv_cache_gib
        if tokens is not None and gib is not None and facts.kv_bytes_per_token and facts.kv_is_uniform:
            need = tokens * facts.kv_bytes_per_token / GIB
            yield _item(
                f"kv_cache_{name}",
                "KV tokens × KV bytes per token ≤ memory given to the KV cache (1 % for rounding)",
                need <= gib * 1.01,
                f"{tokens:,} tokens need {need:.3f} GiB, {gib:.3f} GiB given",
                "note",
            )


def _shares(modes: dict[str, ModeResults], facts: ArchitectureFacts, peaks: PeakRates | None) -> Iterator[Invariant]:
    """No rate exceeds what the measured peak rates of the device allow.

    Weights that fit into the processor's caches may be read faster than memory allows: a share above 1 can then occur.
    """
    if peaks is None:
        return
    in_cache = facts.weight_bytes is not None and facts.weight_bytes <= (peaks.cache_bytes or 0)
    rates = [
        (f"{share} of {mode}/{name}", rate / bound, share == "MBU" and in_cache)
        for mode, found in modes.items()
        for name, w in found.workloads.items()
        for share, rate, bound in (
            ("MBU", w.decode_throughput, w.bandwidth_bound_tok_s),
            ("MFU", w.prefill_throughput, w.arithmetic_bound_tok_s),
        )
        if rate is not None and bound is not None
    ]
    above = [(f"{name} would be {share:.2f}", excused) for name, share, excused in rates if share > 1]
    words = "; ".join(text for text, _ in above) or f"{len(rates)} shares, none above 1"
    status: InvariantStatus = "note" if all(excused for _, excused in above) else "broken"
    statement = "no rate is above what the measured peak rates allow (MBU and MFU ≤ 1)"
    yield _item("shares_le_1", statement, not above, words, status)
