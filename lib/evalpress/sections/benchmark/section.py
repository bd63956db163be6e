"""The benchmark section: start-up, memory, workloads in alternating blocks, comparison, peak rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalpress import engine, model
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.engine.results import Compilation, Memory
from evalpress.launch import environment
from evalpress.params.engine import COMPILED, EAGER
from evalpress.params.schema import Mode, Params
from evalpress.platforms import power_sources
from evalpress.platforms.power import Meter
from evalpress.sections.benchmark import (
    comparison,
    energy,
    invariants,
    metrics,
    observations,
    roofline,
    scaling,
    starts,
)
from evalpress.sections.benchmark.block import prompts, run_block, warm_up
from evalpress.sections.benchmark.break_even import break_even, not_measured
from evalpress.sections.benchmark.features import measure as features
from evalpress.sections.benchmark.observations import Blocks
from evalpress.sections.benchmark.peak_rates import PeakMeter
from evalpress.sections.benchmark.results import (
    ModelSize,
    ModeResults,
    Pair,
    PeakRates,
    Results,
    WorkloadFigures,
    WorkloadShape,
)
from evalpress.sections.benchmark.topology import topology
from evalpress.sections.job import Job, Stages, completed


@dataclass(frozen=True)
class LoadedMode:
    """What starting one mode's engine showed."""

    starts: starts.Starts
    memory: Memory
    compilation: Compilation


def measure(job: Job) -> Results:
    """All of `stages` in one call."""
    return completed(stages(job))


def stages(job: Job) -> Stages[Results]:
    """Load every mode, run every workload in alternating blocks, and keep every observation in `results/raw`.

    Yields the peak rates, then for each group of modes that are resident together its starts and its speeds.

    Raises:
        MeasurementError: an engine does not load, or a request fails.
    """
    params = job.params
    engine.import_vllm(params)
    facts = model.facts(params)
    peaks = PeakMeter(params)
    step("measuring peak rates")
    peaks.measure("before the workloads")
    yield "peak rates", peaks.result()[0]
    blocks: Blocks = {name: {mode: [] for mode in params.engine.modes} for name in params.benchmark.workloads}
    loaded: dict[str, LoadedMode] = {}
    meters: list[Meter] = []
    curves: Blocks = {}
    for group in _resident_groups(params):
        started = {mode: starts.load(params, mode) for mode in group}
        yield "starts", {mode: found.warm for mode, found in started.items()}
        with power_sources.meter(params.platform.backend, wanted=params.platform.energy) as meter:
            _run(params, group, blocks, peaks)
        meters.append(meter)
        yield "blocks", {n: {mode: metrics.figures(found[mode]) for mode in group} for n, found in blocks.items()}
        scaling.run(params, group, curves)
        job.raw("blocks", observations.plain(blocks))
        job.raw("scaling", observations.plain(curves))
        loaded |= {mode: _facts(params, mode, found) for mode, found in started.items()}
    step("measuring peak rates")
    peaks.measure("after the workloads")
    best, why = peaks.result()
    if best:
        job.raw("ceilings", best.model_dump(mode="json"))
    found = report(params, facts, loaded, blocks, best, why, curves, job.left_out)
    return found.model_copy(update=energy.of_blocks(meters, blocks) | _features(job, params, facts, best))


def _features(job: Job, params: Params, facts: model.ArchitectureFacts, peaks: PeakRates | None) -> Fields:
    """`features` of the results, where the set asks for any."""
    observed = features.run(params)
    if observed is None:
        return {}
    job.raw("features", observed.raw())
    return {"features": features.report(params, facts, observed, peaks), "features_why": None}


def _facts(params: Params, mode: Mode, started: starts.Starts) -> LoadedMode:
    """The engine's own facts, and the activation peak of the largest prefill among the workloads."""
    loads = params.benchmark.workloads.values()
    tokens = max(load.input_len * (load.num_prompts if load.concurrent else 1) for load in loads)
    loaded = engine.get(params, mode)
    step_tokens = int(loaded.llm.llm_engine.vllm_config.scheduler_config.max_num_batched_tokens)
    peak = engine.activation_peak(loaded, min(tokens, step_tokens), in_process=environment.in_process(params))
    return LoadedMode(started, Memory.model_validate(loaded.memory | peak), loaded.compilation)


def report(
    params: Params,
    facts: model.ArchitectureFacts,
    loaded: Mapping[str, LoadedMode],
    blocks: Blocks,
    peaks: PeakRates | None,
    peaks_why: str | None,
    curves: Blocks,
    left_out: tuple[str, ...] = (),
) -> Results:
    """The section's results from raw observations; loads nothing, so the figures can be recomputed."""
    loads = params.benchmark.workloads
    shapes = {name: WorkloadShape(**load.model_dump(mode="json"), alone=load.alone) for name, load in loads.items()}
    modes = {mode: _mode(params, facts, mode, found, blocks, shapes, peaks) for mode, found in loaded.items()}
    pairs = _pairs(modes, shapes, blocks)
    own = pairs.pop(COMPILED, None)
    missing = "see variants" if pairs else "only " + ", ".join(modes) + " was measured"
    why = f"{missing} (engine.modes)"
    return Results(
        modes=modes,
        workloads=shapes,
        pairing=engine.pairing(params),
        model=_model_size(facts),
        ceilings=peaks,
        ceilings_why=peaks_why,
        scaling=scaling.report(params, facts, curves, blocks, peaks),
        topology=topology(params),
        left_out=left_out,
        identities=invariants.check(modes, shapes, blocks, facts, peaks),
        comparison=own.comparison if own else {},
        comparison_why=None if own else why,
        identical_tokens=own.identical_tokens if own else {},
        break_even=own.break_even if own else not_measured(why),
        variants=pairs,
    )


def _model_size(facts: model.ArchitectureFacts) -> ModelSize:
    reasons = facts.reasons()
    return ModelSize(
        weight_bytes=facts.weight_bytes,
        weight_bytes_why=None if facts.weight_bytes is not None else reasons["weight_mib"],
        kv_bytes_per_token=facts.kv_bytes_per_token,
        kv_bytes_per_token_why=None if facts.kv_bytes_per_token is not None else reasons["kv_bytes_per_token"],
    )


def _mode(
    params: Params,
    facts: model.ArchitectureFacts,
    mode: str,
    found: LoadedMode,
    blocks: Blocks,
    shapes: Mapping[str, WorkloadShape],
    peaks: PeakRates | None,
) -> ModeResults:
    workloads = {}
    for name, shape in shapes.items():
        speed = metrics.figures(blocks[name][mode])
        bounds = roofline.roofline(params, speed, shape, facts, peaks)
        workloads[name] = WorkloadFigures(**speed.model_dump(), **bounds.model_dump())
    return ModeResults(
        startup=found.starts.warm,
        startup_cold=found.starts.cold,
        startup_cold_why=found.starts.cold_why,
        startup_repeats_s=found.starts.repeats_s,
        memory=found.memory,
        compilation=found.compilation,
        workloads=workloads,
    )


def _pairs(modes: dict[str, ModeResults], shapes: dict[str, WorkloadShape], blocks: Blocks) -> dict[str, Pair]:
    """What needs eager and a compiling mode: comparison, identical tokens, break-even, for each compiling mode."""
    found = {}
    for mode in modes:
        if mode == EAGER or EAGER not in modes:
            continue
        pairs = {name: (by_mode[EAGER], by_mode[mode]) for name, by_mode in blocks.items()}
        compared = {name: comparison.compare(*pair) for name, pair in pairs.items()}
        found[mode] = Pair(
            comparison=compared,
            identical_tokens={name: comparison.identical_tokens(*pair) for name, pair in pairs.items()},
            break_even=break_even({EAGER: modes[EAGER], mode: modes[mode]}, shapes, compared),
        )
    return found


def _resident_groups(params: Params) -> list[tuple[Mode, ...]]:
    """Modes that are measured in turn with each other."""
    return [params.engine.modes] if engine.engines_together(params) else [(mode,) for mode in params.engine.modes]


def _run(params: Params, group: tuple[Mode, ...], blocks: Blocks, peaks: PeakMeter) -> None:
    """Warm-up blocks first, then measured ones, in A B B A order, so that drift favours neither mode.

    The workloads take turns block by block, so that a slow period of the machine affects all of them equally. Peak
    rates are measured again half-way.
    """
    warm, count = params.benchmark.warmup_blocks, params.benchmark.blocks
    engines = {mode: engine.get(params, mode) for mode in group}
    for block in range(-warm, count):
        if block == count // 2:
            peaks.measure(f"between the workloads of {' and '.join(group)}")
        for name, load in params.benchmark.workloads.items():
            step((f"block {block + 1} of {count}" if block >= 0 else "warm-up") + f": workload {name}")
            requests = prompts(params, load, name, block + warm, engines[group[0]])
            for mode in group if block % 2 == 0 else reversed(group):
                if block < 0:
                    warm_up(engines[mode], load, requests)
                else:
                    blocks[name][mode].append(run_block(engines[mode], load, requests, number=block))
