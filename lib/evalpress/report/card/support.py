"""What ran in a report: features, lengths and fallbacks, each with the result that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalpress.params.engine import EAGER
from evalpress.report.card.source import Source
from evalpress.report.card.words import count, number, share

Row = dict[str, Any]


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


def lengths(source: Source) -> Iterator[Row]:
    """From what the model's configuration allows to what really ran."""
    model = source.documents["setup"]["data"]["model"]
    engine = source.documents["setup"]["params"]["engine"]
    yield {"name": "theoretical_length", "value": model.get("max_position_embeddings"), "result": _at("setup", "model")}
    held = [mode["memory"].get("kv_cache_tokens") for mode in _run_modes(source).values()]
    fits = min((one for one in held if one is not None), default=None)
    yield {"name": "kv_length", "value": fits, "result": _at("benchmark", "modes.*.memory.kv_cache_tokens")}
    yield {"name": "engine_length", "value": engine["max_model_len"], "result": "params.engine.max_model_len"}
    tokens, result = longest(source)
    yield {"name": "practised_length", "value": tokens or None, "result": result}


def fallbacks(source: Source) -> Iterator[Row]:
    """What the engine did in place of what was asked for, mode by mode."""
    for name, mode in _run_modes(source).items():
        found = mode.get("compilation") or {}
        if name == EAGER or not found:
            continue
        params = source.documents["setup"]["params"]["engine"]
        asked = params.get("compilation_config", {}).get("cudagraph_mode")
        graphs = count(mode["startup"].get("captured_graphs"))
        wanted, effect = asked or "vLLM's own choice", found.get("cudagraph_mode")
        told = f"asked for: {wanted}; in effect: {effect}, {graphs} graphs captured"
        yield {"mode": name, "why": told, "result": _at("benchmark", f"modes.{name}.compilation")}


def longest(source: Source) -> tuple[int, str]:
    """Prompt and output tokens of the longest sequence that ran, and the result that holds it; 0 and "" for none."""
    return max(_sequences(source), default=(0, ""))


def _sequences(source: Source) -> Iterator[tuple[int, str]]:
    benchmark = source.data("benchmark") or {}
    for name, load in benchmark.get("workloads", {}).items():
        if all(mode["workloads"][name]["completed"] for mode in benchmark["modes"].values()):
            yield load["input_len"] + load["output_len"], _at("benchmark", f"workloads.{name}")
    for point in (benchmark.get("scaling") or {}).get("prompt", ()):
        yield int(point["prompt_len"]), _at("benchmark", "scaling.prompt")
    for point in (_features(source).get("depth") or {}).get("points", ()):
        yield point["cached_tokens"], _at("benchmark", "features.depth")
    for text in (source.data("alignment") or {}).get("texts", ()):
        yield text["tokens"], _at("alignment", f"texts.{text['id']}")
    for case in (source.data("evidence") or {}).get("cases", ()):
        yield len(case["prompt_token_ids"]) + len(case["output_token_ids"]), _at("evidence", f"cases.{case['id']}")


def _modes(source: Source) -> Iterator[Row]:
    modes = _run_modes(source)
    loads = len((source.data("benchmark") or {}).get("workloads", {}))
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
    told = f"{check['identical']} of {check['of']} outputs identical to those of single requests"
    return _ran("batching", told, _at("evidence", "determinism.batch_of_all"))


def _prefix(source: Source) -> Row:
    hits = _features(source).get("prefix_cache")
    if hits:
        told = (
            f"{share(hits['rate'])} of the prompt tokens came from the cache, {share(hits['expected_rate'])} expected"
        )
        return _ran("prefix", told, _at("benchmark", "features.prefix_cache"))
    if check := _check(source, "prefix_cache"):
        told = f"{check['identical']} of {check['of']} outputs identical with and without"
        return _ran("prefix", told, _at("evidence", "determinism.prefix_cache"))
    return _from_decode(source, "prefix", "prefix_cache") or _refused(source, "prefix", "prefix_cache")


def _chunked(source: Source) -> Row:
    return _from_decode(source, "chunked", "chunked_prefill") or _not_probed("chunked", "alignment.decode")


def _server(source: Source) -> Row:
    if servers := (source.data("serving") or {}).get("servers"):
        return _ran("server", f"{len(servers)} servers answered under load", _at("serving", "servers"))
    check = _check(source, "offline_against_server")
    if check is None:
        return _not_probed("server", "serving")
    told = f"{check['identical']} of {check['of']} outputs identical to the offline ones"
    return _ran("server", told, _at("evidence", "determinism.offline_against_server"))


def _parallel(source: Source) -> Row:
    size = source.documents["setup"]["params"]["engine"].get("tensor_parallel_size", 1)
    if size > 1 and _run_modes(source):
        return _ran("tp", f"{size} ranks", _at("benchmark", "topology"))
    return _not_probed("tp", "engine.tensor_parallel_size")


def _quantised_kv(source: Source) -> Row:
    probed: Mapping[str, Any] = _features(source).get("kv_cache") or {}
    for dtype, found in probed.items():
        if figures := found.get("figures"):
            told = (
                f"{dtype}: top-1 agreement {share(figures['top1_agreement'])} with the cache in the model's own dtype"
            )
            return _ran("quantised_kv", told, _at("benchmark", f"features.kv_cache.{dtype}"))
    if probed:
        dtype, found = next(iter(probed.items()))
        return _unsupported("quantised_kv", found["figures_why"], _at("benchmark", f"features.kv_cache.{dtype}"))
    dtype = str(source.documents["setup"]["params"]["engine"].get("extra", {}).get("kv_cache_dtype", ""))
    if "fp8" in dtype or "int8" in dtype:
        return _ran("quantised_kv", f"every workload ran with {dtype}", "params.engine.extra.kv_cache_dtype")
    return _not_probed("quantised_kv", "benchmark.features")


def _speculation(source: Source) -> Row:
    found = _features(source).get("speculation")
    if found:
        rates = [one["acceptance_rate"] for one in found["loads"].values() if one["acceptance_rate"] is not None]
        told = f"n-gram, acceptance {' … '.join(map(share, sorted(rates))) or 'not known'}"
        return _ran("speculation", told, _at("benchmark", "features.speculation"))
    if "speculative_config" in source.documents["setup"]["params"]["engine"].get("extra", {}):
        return _ran("speculation", "every workload ran with it", "params.engine.extra.speculative_config")
    return _refused(source, "speculation", "speculation")


def _long_context(source: Source) -> Row:
    limit = source.documents["setup"]["data"]["model"].get("max_position_embeddings")
    tokens, result = longest(source)
    if not tokens:
        return _not_probed("long_context", "benchmark.workloads")
    if not limit:
        return _ran("long_context", f"{tokens:,} tokens ran", result)
    told = f"{tokens:,} tokens ran, {share(tokens / limit)} of the model's positions"
    whole = tokens >= 0.5 * limit
    return _ran("long_context", told, result) if whole else _partly("long_context", told, result)


def _from_decode(source: Source, feature: str, ending: str) -> Row | None:
    """A row of the comparison of logits with generated tokens, whose names end in what was switched on."""
    decode: Mapping[str, Any] = (source.data("alignment") or {}).get("decode") or {}
    for name, run in decode.items():
        if name.endswith(ending):
            noise = number(run["noise_ratio"], 3)
            told = (
                f"{run['n_positions']} positions, noise ratio {noise}, {run['flips']['unexplained']} unexplained flips"
            )
            return _ran(feature, told, _at("alignment", f"decode.{name}"))
    return None


def _refused(source: Source, feature: str, key: str) -> Row:
    """Not supported where the engine refused what the set asked for; else not probed."""
    features = _features(source)
    why = features.get(f"{key}_why")
    if features and why and "benchmark.features" not in why:
        return _unsupported(feature, why, _at("benchmark", f"features.{key}_why"))
    return _not_probed(feature, "benchmark.features")


def _run_modes(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = (source.data("benchmark") or {}).get("modes", {})
    return found


def _features(source: Source) -> dict[str, Any]:
    """The optional parts of the benchmark; empty where the set asked for none."""
    return (source.data("benchmark") or {}).get("features") or {}


def _check(source: Source, rung: str) -> dict[str, Any] | None:
    """A determinism check that ran."""
    checks: list[dict[str, Any]] = (source.data("evidence") or {}).get("determinism", [])
    return next((one for one in checks if one["rung"] == rung and one["identical"] is not None), None)


def _at(section: str, key: str) -> str:
    return ": ".join((f"results/{section}.json", f"data.{key}"))


def _ran(feature: str, why: str, result: str) -> Row:
    return {"feature": feature, "status": "supported", "why": why, "result": result}


def _partly(feature: str, why: str, result: str) -> Row:
    return {"feature": feature, "status": "partly", "why": why, "result": result}


def _unsupported(feature: str, why: str, result: str) -> Row:
    return {"feature": feature, "status": "unsupported", "why": why, "result": result}


def _not_probed(feature: str, key: str) -> Row:
    why = f"no run of this report shows it; parameter {key}"
    return {"feature": feature, "status": "not_probed", "why": why, "result": ""}
