"""How speed changes with batch size, prompt length and output length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalpress import engine
from evalpress.core import stats
from evalpress.core.progress import step
from evalpress.model import ArchitectureFacts
from evalpress.params.schema import Mode, Params, ScalingParams, Workload
from evalpress.sections.benchmark import ceilings, metrics
from evalpress.sections.benchmark.block import prompts, run_block

Observed = dict[str, dict[str, list[dict[str, Any]]]]
"""`batch-<size>` or `prompt-<tokens>` -> mode -> measured runs."""


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


def run(params: Params, group: Sequence[Mode], observed: Observed) -> None:
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
    params: Params, facts: ArchitectureFacts, observed: Observed, blocks: Observed, ceiling: dict[str, Any] | None
) -> dict[str, Any]:
    """The curves from raw observations.

    Returns:
        `batch` and `prompt`, a row per mode and point, with the bound that the ceilings imply; `output`, per mode, the
        line through E2EL against output length: `ms_per_token` with interval, `intercept_ms`, `r_squared`.
    """
    if params.benchmark.scaling is None:
        return {"batch": [], "prompt": [], "output": {}, "why": "benchmark.scaling is off"}
    batch, prompt = [], []
    for name, by_mode in observed.items():
        kind, size = name.split("-")
        for mode, runs in by_mode.items():
            found = metrics.figures(runs)
            row = {"mode": mode, "runs": len(runs)}
            if kind == "batch":
                keys = ("output_throughput", "decode_throughput", "mean_tpot_ms", "mean_ttft_ms")
                row |= {"batch_size": int(size)} | _taken(found, keys)
                batch.append(row | _bandwidth_bound(params, facts, int(size), ceiling))
            else:
                keys = ("mean_ttft_ms", "min_ttft_ms", "max_ttft_ms", "prefill_throughput")
                row |= {"prompt_len": int(size)} | _taken(found, keys)
                prompt.append(row | _arithmetic_bound(facts, int(size), ceiling))
    return {"batch": batch, "prompt": prompt, "output": _output(params, blocks)}


def _taken(found: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """These figures, with the reason of a null."""
    return {key: value for key, value in found.items() if key.removesuffix("_why") in keys}


def _bandwidth_bound(
    params: Params, facts: ArchitectureFacts, batch: int, ceiling: dict[str, Any] | None
) -> dict[str, Any]:
    wanted = params.benchmark.scaling
    if ceiling is None or wanted is None:
        return {"bandwidth_bound_tok_s": None, "bandwidth_bound_tok_s_why": "benchmark.ceilings is off"}
    context = wanted.batch_input_len + wanted.batch_output_len / 2
    bound = ceilings.decode_bound(facts, batch, context, ceiling)
    if bound is None:
        return {"bandwidth_bound_tok_s": None, "bandwidth_bound_tok_s_why": facts.reasons()["kv_bytes_per_token"]}
    return {"bandwidth_bound_tok_s": bound}


def _arithmetic_bound(facts: ArchitectureFacts, tokens: int, ceiling: dict[str, Any] | None) -> dict[str, Any]:
    if ceiling is None:
        return {"arithmetic_bound_ms": None, "arithmetic_bound_ms_why": "benchmark.ceilings is off"}
    flops = facts.prefill_flops(tokens)
    if flops is None:
        return {"arithmetic_bound_ms": None, "arithmetic_bound_ms_why": facts.flops_unknown}
    return {"arithmetic_bound_ms": 1e3 * flops / (ceiling["matmul_tflop_s"] * 1e12)}


def _output(params: Params, blocks: Observed) -> dict[str, Any]:
    """E2EL of single requests against their output length, over the workloads with one request at a time."""
    found: dict[str, Any] = {}
    names = [name for name, load in params.benchmark.workloads.items() if load.alone and name in blocks]
    for mode in params.engine.modes:
        pairs = [
            (request["output_tokens"], 1e3 * request["e2el"])
            for name in names
            for block in blocks[name].get(mode, [])
            for request in block["requests"]
        ]
        if len({length for length, _ in pairs}) < 2:
            found[mode] = {
                "ms_per_token": None,
                "ms_per_token_why": "fewer than two output lengths with one request at a time",
            }
            continue
        fit = stats.linear_fit([length for length, _ in pairs], [e2el for _, e2el in pairs])
        bounds = {"ms_per_token_low": fit.slope_ci_low, "ms_per_token_high": fit.slope_ci_high}
        why = {f"{key}_why": "two requests leave no spread" for key, value in bounds.items() if value is None}
        found[mode] = {
            "ms_per_token": fit.slope,
            **bounds,
            **why,
            "intercept_ms": fit.intercept,
            "r_squared": fit.r_squared,
            "requests": fit.n,
        }
    return found
