"""What ran in a report: features, lengths and fallbacks, each with the result that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from evalpress.params.engine import EAGER
from evalpress.report.card.source import Source
from evalpress.report.card.words import count, number, share
from evalpress.sections.benchmark.features.results import Features
from evalpress.sections.benchmark.results import ModeResults
from evalpress.sections.evidence.results import Check


@dataclass(frozen=True)
class Row:
    """One feature; `result` is the file and key that shows it, empty where nothing does."""

    feature: str
    status: Literal["supported", "partly", "unsupported", "not_probed"]
    why: str
    result: str


@dataclass(frozen=True)
class Length:
    """A length in tokens; None where it is not known."""

    name: str
    value: int | None
    result: str


@dataclass(frozen=True)
class Fallback:
    """What a mode was asked for and what is in effect."""

    mode: str
    why: str
    result: str


def support(source: Source) -> Iterator[Row]:
    """One row per feature: whether it ran, what came of it, and where that stands in the results."""
    yield from _modes(source)
    yield _batching(source)
    yield _prefix(source)
    yield _chunked(source)
    yield _server(source)
    yield _parallel(source)
    yield _quantised_kv(source)
    yield _speculation(source)
    yield _long_context(source)


def lengths(source: Source) -> Iterator[Length]:
    """From what the model's configuration allows to what really ran."""
    allowed = source.setup.data.model.max_position_embeddings
    yield Length("theoretical_length", allowed, _at("setup", "model"))
    held = [mode.memory.kv_cache_tokens for mode in _run_modes(source).values()]
    fits = min((one for one in held if one is not None), default=None)
    yield Length("kv_length", fits, _at("benchmark", "modes.*.memory.kv_cache_tokens"))
    yield Length("engine_length", source.engine["max_model_len"], "params.engine.max_model_len")
    tokens, result = longest(source)
    yield Length("practised_length", tokens or None, result)


def fallbacks(source: Source) -> Iterator[Fallback]:
    """What the engine did in place of what was asked for, mode by mode."""
    wanted = source.engine.get("compilation_config", {}).get("cudagraph_mode") or "vLLM's own choice"
    for name, mode in _run_modes(source).items():
        if name != EAGER:
            effect, graphs = mode.compilation.cudagraph_mode, count(mode.startup.captured_graphs)
            told = f"asked for: {wanted}; in effect: {effect}, {graphs} graphs captured"
            yield Fallback(name, told, _at("benchmark", f"modes.{name}.compilation"))


def longest(source: Source) -> tuple[int, str]:
    """Prompt and output tokens of the longest sequence that ran, and the result that holds it; 0 and "" for none."""
    return max(_sequences(source), default=(0, ""))


def _sequences(source: Source) -> Iterator[tuple[int, str]]:
    if source.benchmark:
        benchmark = source.benchmark.data
        for name, load in benchmark.workloads.items():
            if all(mode.workloads[name].completed for mode in benchmark.modes.values()):
                yield load.input_len + load.output_len, _at("benchmark", f"workloads.{name}")
        for prompt in benchmark.scaling.prompt:
            yield prompt.prompt_len, _at("benchmark", "scaling.prompt")
        if benchmark.features and benchmark.features.depth:
            for point in benchmark.features.depth.points:
                yield point.cached_tokens, _at("benchmark", "features.depth")
    for text in source.alignment.data.texts if source.alignment else ():
        yield text.tokens, _at("alignment", f"texts.{text.id}")
    for case in source.evidence.data.cases if source.evidence else ():
        yield len(case.prompt_token_ids) + len(case.output_token_ids), _at("evidence", f"cases.{case.id}")


def _modes(source: Source) -> Iterator[Row]:
    modes = _run_modes(source)
    loads = len(source.benchmark.data.workloads) if source.benchmark else 0
    if EAGER in modes:
        yield _ran("eager", f"{loads} workloads ran", _at("benchmark", f"modes.{EAGER}"))
    else:
        yield _not_probed("eager", "engine.modes")
    compiling = [name for name in modes if name != EAGER]
    for name in compiling:
        yield _ran("graph", f"{loads} workloads ran", _at("benchmark", f"modes.{name}"))
    if not compiling:
        yield _not_probed("graph", "engine.modes")


def _batching(source: Source) -> Row:
    check = _check(source, "batch_of_all")
    if check is None:
        return _not_probed("batching", "evidence")
    told = f"{check.identical} of {check.of} outputs identical to those of single requests"
    return _ran("batching", told, _at("evidence", "determinism.batch_of_all"))


def _prefix(source: Source) -> Row:
    features = _features(source)
    if features and (hits := features.prefix_cache):
        told = f"{share(hits.rate)} of the prompt tokens came from the cache, {share(hits.expected_rate)} expected"
        return _ran("prefix", told, _at("benchmark", "features.prefix_cache"))
    if check := _check(source, "prefix_cache"):
        told = f"{check.identical} of {check.of} outputs identical with and without"
        return _ran("prefix", told, _at("evidence", "determinism.prefix_cache"))
    return _from_decode(source, "prefix", "prefix_cache") or _refused(source, "prefix", "prefix_cache")


def _chunked(source: Source) -> Row:
    return _from_decode(source, "chunked", "chunked_prefill") or _not_probed("chunked", "alignment.decode")


def _server(source: Source) -> Row:
    if source.serving and source.serving.data.servers:
        return _ran(
            "server", f"{len(source.serving.data.servers)} servers answered under load", _at("serving", "servers")
        )
    check = _check(source, "offline_against_server")
    if check is None:
        return _not_probed("server", "serving")
    told = f"{check.identical} of {check.of} outputs identical to the offline ones"
    return _ran("server", told, _at("evidence", "determinism.offline_against_server"))


def _parallel(source: Source) -> Row:
    size = source.engine.get("tensor_parallel_size", 1)
    if size > 1 and _run_modes(source):
        return _ran("tp", f"{size} ranks", _at("benchmark", "topology"))
    return _not_probed("tp", "engine.tensor_parallel_size")


def _quantised_kv(source: Source) -> Row:
    features = _features(source)
    probed = features.kv_cache if features else {}
    for dtype, found in probed.items():
        if found.figures:
            top1_agreement = share(found.figures.top1_agreement)
            told = f"{dtype}: top-1 agreement {top1_agreement} with the cache in the model's own dtype"
            return _ran("quantised_kv", told, _at("benchmark", f"features.kv_cache.{dtype}"))
    if probed:
        dtype, found = next(iter(probed.items()))
        return _unsupported("quantised_kv", str(found.figures_why), _at("benchmark", f"features.kv_cache.{dtype}"))
    dtype = str(source.engine.get("extra", {}).get("kv_cache_dtype", ""))
    if "fp8" in dtype or "int8" in dtype:
        return _ran("quantised_kv", f"every workload ran with {dtype}", "params.engine.extra.kv_cache_dtype")
    return _not_probed("quantised_kv", "benchmark.features")


def _speculation(source: Source) -> Row:
    features = _features(source)
    if features and features.speculation:
        loads = features.speculation.loads.values()
        rates = [one.acceptance_rate for one in loads if one.acceptance_rate is not None]
        told = f"n-gram, acceptance {' … '.join(map(share, sorted(rates))) or 'not known'}"
        return _ran("speculation", told, _at("benchmark", "features.speculation"))
    if "speculative_config" in source.engine.get("extra", {}):
        return _ran("speculation", "every workload ran with it", "params.engine.extra.speculative_config")
    return _refused(source, "speculation", "speculation")


def _long_context(source: Source) -> Row:
    limit = source.setup.data.model.max_position_embeddings
    tokens, result = longest(source)
    if not tokens:
        return _not_probed("long_context", "benchmark.workloads")
    if not limit:
        return _ran("long_context", f"{tokens:,} tokens ran", result)
    told = f"{tokens:,} tokens ran, {share(tokens / limit)} of the model's positions"
    return Row("long_context", "supported" if tokens >= 0.5 * limit else "partly", told, result)


def _from_decode(source: Source, feature: str, ending: str) -> Row | None:
    """A row of the comparison of logits with generated tokens, whose names end in what was switched on."""
    for name, run in source.alignment.data.decode.items() if source.alignment else ():
        if name.endswith(ending):
            noise = number(run.noise_ratio, 3)
            told = f"{run.n_positions} positions, noise ratio {noise}, {run.flips.unexplained} unexplained flips"
            return _ran(feature, told, _at("alignment", f"decode.{name}"))
    return None


def _refused(source: Source, feature: str, key: str) -> Row:
    """Not supported where the engine refused what the set asked for; else not probed."""
    features = _features(source)
    why = getattr(features, f"{key}_why", None)
    if why and "benchmark.features" not in why:
        return _unsupported(feature, why, _at("benchmark", f"features.{key}_why"))
    return _not_probed(feature, "benchmark.features")


def _run_modes(source: Source) -> Mapping[str, ModeResults]:
    return source.benchmark.data.modes if source.benchmark else {}


def _features(source: Source) -> Features | None:
    """The optional parts of the benchmark; None where the set asked for none."""
    return source.benchmark.data.features if source.benchmark else None


def _check(source: Source, rung: str) -> Check | None:
    """A determinism check that ran."""
    checks = source.evidence.data.determinism if source.evidence else ()
    return next((one for one in checks if one.rung == rung and one.identical is not None), None)


def _at(section: str, key: str) -> str:
    return ": ".join((f"results/{section}.json", f"data.{key}"))


def _ran(feature: str, why: str, result: str) -> Row:
    return Row(feature, "supported", why, result)


def _unsupported(feature: str, why: str, result: str) -> Row:
    return Row(feature, "unsupported", why, result)


def _not_probed(feature: str, key: str) -> Row:
    return Row(feature, "not_probed", f"no run of this report shows it; parameter {key}", "")
