"""The benchmark section: start-up, memory, workloads in alternating blocks, comparison, ceilings."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from evalpress import engine, model
from evalpress.bench import ceilings, identities, metrics, workload
from evalpress.engine import Completion, Engine, Sampling
from evalpress.job import Job
from evalpress.params.schema import Mode, Params, Workload
from evalpress.progress import step

Blocks = dict[str, dict[str, list[dict[str, Any]]]]
"""workload -> mode -> measured blocks."""


def measure(job: Job) -> dict[str, Any]:
    """Load both modes, run every workload in alternating blocks, and keep every observation in `results/raw`.

    Raises:
        MeasurementError: an engine does not load, a request fails, or an identity is broken.
    """
    params = job.params
    engine.import_vllm(params)
    facts = model.facts(params)
    step("measuring ceilings")
    ceiling = ceilings.measure(params) if params.benchmark.ceilings else None
    blocks: Blocks = {name: {mode: [] for mode in params.engine.modes} for name in params.benchmark.workloads}
    modes: dict[str, dict[str, Any]] = {}
    for group in _resident_groups(params):
        for mode in group:
            step(f"loading the {mode} engine")
            modes[mode] = _engine_facts(engine.get(params, mode))
        _run(params, group, blocks)
    job.raw("blocks", blocks)
    if ceiling:
        job.raw("ceilings", ceiling)
    return report(params, facts, modes, blocks, ceiling)


def report(
    params: Params,
    facts: model.Facts,
    modes: dict[str, dict[str, Any]],
    blocks: Blocks,
    ceiling: dict[str, Any] | None,
) -> dict[str, Any]:
    """The section's data from raw observations; loads nothing, so the figures can be recomputed."""
    loads = params.benchmark.workloads
    for mode, facts_of_mode in modes.items():
        facts_of_mode["workloads"] = {
            name: metrics.figures(blocks[name][mode]) | _utilisation(load, blocks[name][mode], facts, ceiling)
            for name, load in loads.items()
        }
    data: dict[str, Any] = {
        "modes": modes,
        "workloads": {name: load.model_dump(mode="json") for name, load in loads.items()},
        "pairing": "alternating blocks, both engines resident"
        if params.engine.resident == "both"
        else "one engine after the other: the pairing is weaker, drift of the machine is not cancelled",
        "model": {"weight_bytes": facts.weight_bytes, "kv_bytes_per_token": facts.kv_bytes_per_token},
        "ceilings": ceiling,
    }
    if ceiling is None:
        data["ceilings_why"] = "benchmark.ceilings is off"
    data |= _both_modes(params, modes, blocks)
    data["identities"] = identities.check(data, blocks, facts, params)
    return data


def _both_modes(params: Params, modes: dict[str, dict[str, Any]], blocks: Blocks) -> dict[str, Any]:
    """What needs eager and compiled: comparison, identical tokens, break-even."""
    if set(modes) != {"eager", "compiled"}:
        why = f"only {', '.join(modes)} was measured (engine.modes)"
        empty = {"extra_startup_s": None, "tokens": None, "seconds": None}
        return {
            "comparison": {},
            "comparison_why": why,
            "identical_tokens": {},
            "break_even": empty | {f"{key}_why": why for key in empty},
        }
    startups = {mode: modes[mode]["startup"] for mode in modes}
    main = next((n for n, load in params.benchmark.workloads.items() if load.kind == "throughput"), next(iter(blocks)))
    return {
        "comparison": {name: metrics.comparison(pair["eager"], pair["compiled"]) for name, pair in blocks.items()},
        "identical_tokens": {name: metrics.identical_tokens(p["eager"], p["compiled"]) for name, p in blocks.items()},
        "break_even": {"workload": main}
        | metrics.break_even(startups, {mode: modes[mode]["workloads"][main] for mode in modes}),
    }


def _resident_groups(params: Params) -> list[tuple[Mode, ...]]:
    """Modes that are measured in turn with each other."""
    return [params.engine.modes] if params.engine.resident == "both" else [(mode,) for mode in params.engine.modes]


def _engine_facts(loaded: Engine) -> dict[str, Any]:
    return {"startup": loaded.startup, "memory": loaded.memory, "compilation": loaded.compilation}


def _run(params: Params, group: tuple[Mode, ...], blocks: Blocks) -> None:
    """Warm-up blocks first, then measured ones, in A B B A order, so that drift favours neither mode."""
    warm = params.benchmark.warmup_blocks
    engines = {mode: engine.get(params, mode) for mode in group}
    for name, load in params.benchmark.workloads.items():
        for block in range(-warm, params.benchmark.blocks):
            step(
                f"workload {name}: " + (f"block {block + 1} of {params.benchmark.blocks}" if block >= 0 else "warm-up")
            )
            prompts = _prompts(params, load, name, block + warm, engines[group[0]])
            for mode in group if block % 2 == 0 else reversed(group):
                observed = run_block(engines[mode], load, prompts)
                if block >= 0:
                    blocks[name][mode].append({"block": block} | observed)


def _prompts(params: Params, load: Workload, name: str, block: int, loaded: Engine) -> list[list[int]]:
    vocab = loaded.llm.llm_engine.model_config.get_vocab_size()
    has_tokenizer = not loaded.arguments.get("skip_tokenizer_init")
    reserved = frozenset(loaded.llm.get_tokenizer().all_special_ids) if has_tokenizer else frozenset()
    return workload.prompts(load, vocab, params.engine.seed, name, block, reserved)


def run_block(
    loaded: Engine, load: Workload, prompts: list[list[int]], sampling: Sampling | None = None
) -> dict[str, Any]:
    """One block: all requests at once, or one after the other; greedy unless `sampling` says otherwise."""
    sampling = sampling or Sampling(max_tokens=load.output_len, ignore_eos=True)
    groups = [prompts] if load.concurrent else [[prompt] for prompt in prompts]
    completions: list[Completion] = []
    gaps: list[float] = []
    start = time.perf_counter()
    for group in groups:
        completions += loaded.generate(group, sampling)
        gaps += loaded.inter_token_latencies
    duration = time.perf_counter() - start
    return {
        "duration": duration,
        "failed": sum(len(c.token_ids) != load.output_len for c in completions),
        "requests": [_request(c) for c in completions],
        "itl": gaps,
    }


def _request(completion: Completion) -> dict[str, Any]:
    t = completion.timing
    return {
        "prompt_tokens": len(completion.prompt_token_ids),
        "output_tokens": len(completion.token_ids),
        "ttft": t.ttft,
        "e2el": t.e2el,
        "scheduled_ts": t.scheduled_ts,
        "first_token_ts": t.first_token_ts,
        "last_token_ts": t.last_token_ts,
        "tokens_sha256": hashlib.sha256(repr(completion.token_ids).encode()).hexdigest(),
    }


def _utilisation(
    load: Workload, blocks: list[dict[str, Any]], facts: model.Facts, ceiling: dict[str, Any] | None
) -> dict[str, Any]:
    if ceiling is None:
        why = "benchmark.ceilings is off"
        return {"mbu": None, "mbu_why": why, "mfu": None, "mfu_why": why}
    used = ceilings.utilisation(metrics.figures(blocks), load.model_dump(), facts, ceiling)
    return used | {"regime": ceilings.regime(used["mbu"], used["mfu"])}
