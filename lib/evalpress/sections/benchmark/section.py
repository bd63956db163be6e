"""The benchmark section: start-up, memory, workloads in alternating blocks, comparison, ceilings."""

from __future__ import annotations

from typing import Any

from evalpress import engine, model
from evalpress.core.progress import step
from evalpress.launch import environment
from evalpress.params.schema import Mode, Params, Workload
from evalpress.sections.benchmark import ceilings, identities, metrics, scaling, starts
from evalpress.sections.benchmark.block import prompts, run_block, warm_up
from evalpress.sections.job import Job

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
    curves: scaling.Observed = {}
    for group in _resident_groups(params):
        for mode in group:
            modes[mode] = starts.load(params, mode)
        _run(params, group, blocks)
        scaling.run(params, group, curves)
        for mode in group:
            modes[mode]["memory"] |= _activations(params, mode)
    job.raw("blocks", blocks)
    job.raw("scaling", curves)
    if ceiling:
        job.raw("ceilings", ceiling)
    return report(params, facts, modes, blocks, ceiling, curves)


def _activations(params: Params, mode: Mode) -> dict[str, Any]:
    """The activation peak of the largest prefill among the workloads."""
    loads = params.benchmark.workloads.values()
    tokens = max(load.input_len * (load.num_prompts if load.concurrent else 1) for load in loads)
    loaded = engine.get(params, mode)
    step_tokens = int(loaded.llm.llm_engine.vllm_config.scheduler_config.max_num_batched_tokens)
    return engine.activation_peak(loaded, min(tokens, step_tokens), in_process=environment.in_process(params))


def report(
    params: Params,
    facts: model.ArchitectureFacts,
    modes: dict[str, dict[str, Any]],
    blocks: Blocks,
    ceiling: dict[str, Any] | None,
    curves: scaling.Observed,
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
        "workloads": {name: load.model_dump(mode="json") | {"alone": load.alone} for name, load in loads.items()},
        "pairing": engine.pairing(params),
        "model": {"weight_bytes": facts.weight_bytes, "kv_bytes_per_token": facts.kv_bytes_per_token},
        "ceilings": ceiling,
        "scaling": scaling.report(params, facts, curves, blocks, ceiling),
        "topology": topology(params),
    }
    if ceiling is None:
        data["ceilings_why"] = "benchmark.ceilings is off"
    data |= _both_modes(params, modes, blocks)
    data["identities"] = identities.check(data, blocks, facts, params)
    return data


def topology(params: Params) -> dict[str, Any]:
    """How the engine is spread over devices, and the executor that was asked for."""
    e = params.engine
    sizes = {
        "tensor_parallel_size": e.tensor_parallel_size,
        "pipeline_parallel_size": e.pipeline_parallel_size,
        "data_parallel_size": e.data_parallel_size,
    }
    executor = e.distributed_executor_backend or "vLLM's choice"
    place = "in the notebook's process" if environment.in_process(params) else "in a process of its own"
    return sizes | {"distributed_executor_backend": executor, "engine_core": place}


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
    compared = {name: metrics.comparison(pair["eager"], pair["compiled"]) for name, pair in blocks.items()}
    return {
        "comparison": compared,
        "identical_tokens": {name: metrics.identical_tokens(p["eager"], p["compiled"]) for name, p in blocks.items()},
        "break_even": _break_even(params, modes, compared),
    }


def _break_even(params: Params, modes: dict[str, dict[str, Any]], compared: dict[str, Any]) -> dict[str, Any]:
    """For the warm start, and under `cold` for the one with an empty compile cache."""
    loads = params.benchmark.workloads
    main = next((name for name, load in loads.items() if load.kind == "throughput"), next(iter(loads)))
    ratio = compared[main]["output_throughput"]
    interval = (ratio["ci_low"], ratio["ci_high"]) if ratio["ci_low"] is not None else None
    starts = {mode: modes[mode]["startup"] for mode in modes}
    startups = {mode: _own_start(start) for mode, start in starts.items()}
    by_phases = _mode_phases(starts)
    figures = {mode: modes[mode]["workloads"][main] for mode in modes}
    found = {"workload": main} | metrics.break_even(startups, figures, interval)
    found["by_phases"] = metrics.break_even(by_phases, figures, interval) if by_phases else None
    if by_phases is None:
        found["by_phases_why"] = "this vLLM did not print every phase that depends on the mode"
    cold = modes["compiled"]["startup_cold"]
    if cold is None:
        return found | {"cold": None, "cold_why": modes["compiled"]["startup_cold_why"]}
    return found | {"cold": metrics.break_even(startups | {"compiled": _own_start(cold)}, figures, interval)}


def _own_start(startup: dict[str, Any]) -> dict[str, float]:
    """A start without what a process pays once whatever the mode: a kept cold start paid it in another process."""
    return {"total_s": startup["total_s"] - startup["import_s"] - startup["config_s"]}


def _mode_phases(starts: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]] | None:
    """The phases that depend on the mode: the rest of a start also depends on which engine a process loads first.

    None where a phase that took place was not printed; eager compiles nothing, and not every platform captures graphs.
    """
    found = {}
    for mode, start in starts.items():
        needed = ["kv_cache_s", *(["compile_s"] if mode == "compiled" else [])]
        needed += ["graph_capture_s"] if start["captured_graphs"] else []
        if any(start[key] is None for key in needed):
            return None
        found[mode] = {"total_s": sum(start[key] or 0.0 for key in ("compile_s", "graph_capture_s", "kv_cache_s"))}
    return found


def _resident_groups(params: Params) -> list[tuple[Mode, ...]]:
    """Modes that are measured in turn with each other."""
    return [params.engine.modes] if engine.engines_together(params) else [(mode,) for mode in params.engine.modes]


def _run(params: Params, group: tuple[Mode, ...], blocks: Blocks) -> None:
    """Warm-up blocks first, then measured ones, in A B B A order, so that drift favours neither mode.

    The workloads take turns block by block, so that a slow spell of the machine meets all of them alike.
    """
    warm = params.benchmark.warmup_blocks
    engines = {mode: engine.get(params, mode) for mode in group}
    for block in range(-warm, params.benchmark.blocks):
        for name, load in params.benchmark.workloads.items():
            step(
                (f"block {block + 1} of {params.benchmark.blocks}" if block >= 0 else "warm-up") + f": workload {name}"
            )
            requests = prompts(params, load, name, block + warm, engines[group[0]])
            for mode in group if block % 2 == 0 else reversed(group):
                if block < 0:
                    warm_up(engines[mode], load, requests)
                else:
                    blocks[name][mode].append({"block": block} | run_block(engines[mode], load, requests))


def _utilisation(
    load: Workload, blocks: list[dict[str, Any]], facts: model.ArchitectureFacts, ceiling: dict[str, Any] | None
) -> dict[str, Any]:
    if ceiling is None:
        why = "benchmark.ceilings is off"
        keys = ("mbu", "mfu", "decode_limited_by", "prefill_limited_by")
        return dict.fromkeys(keys) | {f"{key}_why": why for key in keys}
    return ceilings.utilisation(metrics.figures(blocks), load.model_dump(), facts, ceiling)
