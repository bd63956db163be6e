"""The rows of a card's tables, computed from the results of the report."""

from __future__ import annotations

from typing import Any

from evalpress.params.engine import EAGER
from evalpress.report.card.source import Source
from evalpress.report.card.words import Words, count, number, share

PHASES = (
    *("import_s", "config_s", "engine_init_s", "load_weights_s", "compile_s", "graph_capture_s", "kv_cache_s"),
    *("unaccounted_s", "total_s"),
)
"""All phases of a start: they add up to the total."""
_CONFIG = (
    *("architectures", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings", "rope_theta", "rms_norm_eps"),
    *("tie_word_embeddings", "hidden_act"),
)
_PRECISION = ("top1", "top5", "cosine", "mse", "max_abs", "kl", "noise_ratio", "flips")
_KEYS = {
    "top1": "top1_agreement",
    "top5": "top5_overlap",
    "cosine": "cosine_similarity",
    "mse": "mse",
    "max_abs": "max_abs_err",
    "kl": "kl_divergence",
    "noise_ratio": "noise_ratio",
}
_NA = "n/a"
Row = dict[str, Any]


def config(source: Source) -> list[tuple[str, Any]]:
    """Rows of the model's configuration that the model has."""
    model = source.documents["setup"]["data"]["model"]
    rows = [(key, model.get(key)) for key in _CONFIG]
    return [(key, ", ".join(value) if isinstance(value, list) else value) for key, value in rows if value is not None]


def details(benchmark: dict[str, Any], words: Words) -> list[Row]:
    """The benchmark's details: one row per figure, one value per mode, in the order of the modes."""
    modes = benchmark["modes"].values()
    rows: list[Row] = []
    for name, load in benchmark["workloads"].items():
        found = [mode["workloads"][name] for mode in modes]
        shape = {"input": load["input_len"], "output": load["output_len"]}
        if load["kind"] == "throughput":
            rows.append(
                _row(words("output_throughput", requests=load["num_prompts"]), found, "output_throughput", "tok/s")
            )
            rows.append(_row(words("request_throughput"), found, "request_throughput", "req/s"))
        elif load["kind"] == "prefill":
            rows.append(_row(words("prefill", **shape), found, "prefill_throughput", "tok/s"))
            for extreme in ("mean", "min", "max"):
                rows.append(_row(words(f"ttft_{extreme}"), found, f"{extreme}_ttft_ms", "ms"))
        elif load["kind"] == "decode":
            rows.append(_row(words("decode", **shape), found, "decode_throughput", "tok/s"))
        elif load["kind"] == "e2e":
            rows.append(_e2e(words("e2e", **shape), found, load["output_len"]))
    memory = [mode["memory"] for mode in modes]
    weights = [
        {"mib": None if one.get("model_weights_gib") is None else 1024 * one["model_weights_gib"]} for one in memory
    ]
    rows.append(_row(words("memory_weights"), weights, "mib", "MiB"))
    rows.append(_row(words("kv_tokens"), memory, "kv_cache_tokens", "tokens"))
    rows.append(_row(words("captured_graphs"), [mode["startup"] for mode in modes], "captured_graphs", ""))
    return rows


def _e2e(label: str, found: list[dict[str, Any]], tokens: int) -> Row:
    """End-to-end latency with the tokens per second that it means."""
    times = [one.get("mean_e2el_ms") for one in found]
    values = [_NA if ms is None else f"{number(ms)} ms ({number(1e3 * tokens / ms)} tok/s)" for ms in times]
    return {"label": label, "values": values}


def _row(label: str, found: list[dict[str, Any]], key: str, unit: str) -> Row:
    shown = count if unit in ("tokens", "") else number
    values = [_NA if one.get(key) is None else f"{shown(one[key])} {unit}".strip() for one in found]
    return {"label": label, "values": values}


def precision(alignment: dict[str, Any], words: Words) -> list[Row]:
    """The noise floor and every candidate, metric by metric."""
    columns = [alignment["noise_floor"], *alignment["candidates"].values()]
    return [{"label": words(name), "values": [_metric(column, name) for column in columns]} for name in _PRECISION]


def _metric(column: dict[str, Any], name: str) -> str:
    if name == "flips":
        flips = column.get("flips") or {}
        unexplained, total = flips.get("unexplained"), flips.get("total")
        return _NA if total is None or unexplained is None else f"{unexplained} / {total}"
    value = column.get(_KEYS[name])
    if value is None:
        return _NA
    return share(value) if name in ("top1", "top5") else number(value, 6 if name == "cosine" else 3)


def last_positions(alignment: dict[str, Any], evidence: dict[str, Any] | None) -> Row | None:
    """Top tokens at the last position of each prompt, of the engine whose mode is the last of the candidates."""
    name, found = list(alignment["candidates"].items())[-1]
    texts = {case["id"]: case["prompt"] for case in (evidence or {}).get("cases", [])}
    rows = [
        {
            "prompt": texts.get(one["id"], one["id"]),
            "reference": one["top5_reference"][0],
            "candidate": one["top5_candidate"][0],
            "match": one["top5_reference"][0]["id"] == one["top5_candidate"][0]["id"],
            "top5": one["last_position"]["top5_overlap"],
            "cosine": one["last_position"]["cosine_similarity"],
        }
        for one in found["prompts"]
        if one["kind"] == "prompt" and one.get("top5_reference") and one.get("last_position")
    ]
    return {"name": name, "rows": rows} if rows else None


def cold_start(benchmark: dict[str, Any] | None) -> dict[str, str] | None:
    """Compilation and whole start of the first compiling mode when its cache was empty."""
    modes = (benchmark or {}).get("modes", {})
    found: dict[str, Any] = next((one for mode, one in modes.items() if mode != EAGER), {})
    for start in (found.get("startup_cold"), found.get("startup")):
        if start and start.get("cold") and start.get("compile_s") is not None:
            return {"compile": f"{number(start['compile_s'])} s", "total": f"{number(start['total_s'])} s"}
    return None
