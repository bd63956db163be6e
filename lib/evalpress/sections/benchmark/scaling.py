"""How speed changes with batch size, prompt length and output length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from evalpress import engine
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.model import ArchitectureFacts
from evalpress.params.schema import Mode, Params, ScalingParams, Workload
from evalpress.sections.benchmark import metrics, roofline
from evalpress.sections.benchmark.block import prompts, run_block
from evalpress.sections.benchmark.observations import Block, Blocks
from evalpress.sections.benchmark.output_line import output_line
from evalpress.sections.benchmark.results import BatchPoint, PeakRates, PromptPoint, Scaling

_OFF = "benchmark.ceilings is off"


def points(wanted: ScalingParams, largest: int, max_model_len: int) -> dict[str, Workload]:
    """The shapes to run: each batch size up to `largest`, each prompt length below `max_model_len`."""
    batches = {
        f"batch-{size}": Workload(
            num_prompts=size, input_len=wanted.batch_input_len, output_len=wanted.batch_output_len
        )
        for size in wanted.batch_sizes
        if size <= largest
    }
    lengths = {
        f"prompt-{length}": Workload(kind="prefill", num_prompts=1, input_len=length, output_len=1)
        for length in wanted.prompt_lens
        if length < max_model_len
    }
    return batches | lengths


def largest_batch(loaded: engine.Engine, wanted: ScalingParams) -> int:
    """Requests that scheduler and KV cache take at once."""
    slots = int(loaded.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)
    tokens = loaded.memory["kv_cache_tokens"]
    fits = int(tokens) // (wanted.batch_input_len + wanted.batch_output_len) if tokens else slots
    return max(1, min(slots, fits))


def run(params: Params, group: Sequence[Mode], observed: Blocks) -> None:
    """Run every point `repeats` times in each mode of the group, which take turns, after one run that is not kept."""
    wanted = params.benchmark.scaling
    if wanted is None:
        return
    engines = {mode: engine.get(params, mode) for mode in group}
    largest = min(largest_batch(loaded, wanted) for loaded in engines.values())
    for name, load in points(wanted, largest, params.engine.max_model_len).items():
        step(f"scaling: {name.replace('-', ' of ')}")
        for repeat in range(wanted.repeats + 1):
            requests = prompts(params, load, name, repeat, engines[group[0]])
            for mode in group if repeat % 2 == 0 else reversed(group):
                found = run_block(engines[mode], load, requests)
                if repeat:
                    observed.setdefault(name, {}).setdefault(mode, []).append(found)


def report(
    params: Params, facts: ArchitectureFacts, observed: Blocks, blocks: Blocks, peaks: PeakRates | None
) -> Scaling:
    """The curves from raw observations: a row per mode and point with the bound that the peak rates imply, and the
    line through E2EL against output length of each mode."""
    if params.benchmark.scaling is None:
        return Scaling(batch=(), prompt=(), output={}, why="benchmark.scaling is off")
    batch, prompt = [], []
    for name, by_mode in observed.items():
        kind, size = name.split("-")
        for mode, runs in by_mode.items():
            if kind == "batch":
                bound, why = _bandwidth_bound(params, facts, int(size), peaks)
                batch.append(
                    BatchPoint(
                        mode=mode,
                        runs=len(runs),
                        batch_size=int(size),
                        output_throughput_of_runs=tuple(metrics.figures([one]).output_throughput for one in runs),
                        **_taken(runs, BatchPoint),
                        bandwidth_bound_tok_s=bound,
                        bandwidth_bound_tok_s_why=why,
                    )
                )
            else:
                bound, why = _arithmetic_bound(params, facts, int(size), peaks)
                prompt.append(
                    PromptPoint(
                        mode=mode,
                        runs=len(runs),
                        prompt_len=int(size),
                        **_taken(runs, PromptPoint),
                        arithmetic_bound_ms=bound,
                        arithmetic_bound_ms_why=why,
                    )
                )
    alone = [name for name, load in params.benchmark.workloads.items() if load.alone and name in blocks]
    output = {str(mode): output_line([blocks[name].get(mode, []) for name in alone]) for mode in params.engine.modes}
    return Scaling(batch=tuple(batch), prompt=tuple(prompt), output=output)


def _taken(runs: Sequence[Block], row: type[BatchPoint] | type[PromptPoint]) -> Fields:
    """The figures of these runs that a row has, with the reason of a null."""
    found = metrics.figures(runs).model_dump()
    return {key: value for key, value in found.items() if key in row.model_fields}


Bound: TypeAlias = tuple[float | None, str | None]
"""A bound, or None and the reason."""


def _bandwidth_bound(params: Params, facts: ArchitectureFacts, batch: int, peaks: PeakRates | None) -> Bound:
    wanted = params.benchmark.scaling
    if peaks is None or wanted is None:
        return None, _OFF
    devices = roofline.devices(params, batch)
    found = roofline.bounds(facts, batch, wanted.batch_input_len, wanted.batch_output_len, peaks, devices)
    return found.decode_bandwidth, found.bytes_unknown


def _arithmetic_bound(params: Params, facts: ArchitectureFacts, tokens: int, peaks: PeakRates | None) -> Bound:
    if peaks is None:
        return None, _OFF
    found = roofline.bounds(facts, 1, tokens, 1, peaks, roofline.devices(params, 1))
    rate = found.prefill_arithmetic
    return None if rate is None else 1e3 * tokens / rate, found.flops_unknown
