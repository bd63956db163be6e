"""The benchmark section's tables of the engines themselves: start-up, compilation, memory, ceilings, topology."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document
from evalpress.core.units import GIB, MIB
from evalpress.display.tables import Missing, Prose, Quantity, Table, fmt, moment, pick

_PHASES = {
    "import_s": "import vLLM",
    "config_s": "configuration, first time in the process",
    "engine_init_s": "start engine core and workers",
    "load_weights_s": "load weights",
    "compile_s": "compile",
    "graph_capture_s": "capture graphs",
    "kv_cache_s": "allocate the KV cache, first step",
    "unaccounted_s": "unaccounted",
    "total_s": "total",
}


def startup(document: Document) -> Table:
    """Start-up by phase; phases and the unaccounted rest add up to the total."""
    starts = _starts(document)
    rows = [[name, *(pick(start, key) for start in starts.values())] for key, name in _PHASES.items()]
    rows.append(["graphs captured", *(start["captured_graphs"] for start in starts.values())])
    rows.append(["compile cache", *(start["compile_cache"] for start in starts.values())])
    rows.append(["measured", *(_when(start) for start in starts.values())])
    note = (
        "Import and first configuration are paid once per process: the starts of this run contain the same measured "
        "values, a cold one those of its own process. Where engines are loaded one after the other in one process, the "
        "first also pays what any first engine pays, in the engine core's start and in what is unaccounted. Phases "
        "come from the engine's own log lines; what no line explains stands as unaccounted. Cold: with an empty "
        "compile cache; where vLLM's other caches are empty, too, it inspects the model's class in a process that it "
        "starts for that, and the first configuration takes longer."
    )
    return Table("Start-up, seconds", ["phase", *starts], rows, note=note)


def _starts(document: Document) -> dict[str, dict[str, Any]]:
    """Each measured start by name: eager, compiled (warm), compiled (cold)."""
    found = {}
    for mode, facts in document["data"]["modes"].items():
        found[mode if facts["startup_cold"] is None else f"{mode}, warm"] = facts["startup"]
        if facts["startup_cold"]:
            found[f"{mode}, cold"] = facts["startup_cold"]
    return found


def _when(start: dict[str, Any]) -> str:
    if start.get("second_in_process"):
        return "second start in this process, from the compile cache"
    return f"on this host, {moment(start['measured'])}" if "measured" in start else "in this run"


def compilation(document: Document) -> Table:
    """What each mode compiles and captures, read from the engine's configuration and log."""
    modes = document["data"]["modes"]
    keys = {
        "mode": "compilation mode",
        "backend": "backend",
        "cudagraph_mode": "graph capture mode",
        "dynamo_s": "Dynamo tracing, s",
        "backend_compile_s": "backend compilation, s",
    }
    rows = [[name, *(pick(m["compilation"], key) for m in modes.values())] for key, name in keys.items()]
    return Table("What compilation did", ["", *modes], rows)


def memory(document: Document) -> Table:
    """Weights and KV cache as the engine holds them, beside the arithmetic."""
    data = document["data"]
    modes = data["modes"]
    weights, kv = data["model"]["weight_bytes"], data["model"]["kv_bytes_per_token"]
    blocks = {mode: found["memory"] for mode, found in modes.items()}
    rows: list[list[Any]] = [
        ["weights, MiB", *(_times(m, "model_weights_gib", 1024) for m in blocks.values())],
        ["weights by arithmetic, MiB", *(weights / MIB for _ in blocks)],
        ["difference, weights", *(_gap(m, "model_weights_gib", weights / GIB) for m in blocks.values())],
        ["KV cache, GiB", *(pick(m, "kv_cache_gib") for m in blocks.values())],
        ["KV cache, tokens", *(pick(m, "kv_cache_tokens") for m in blocks.values())],
        ["KV bytes per token, by arithmetic", *(kv for _ in blocks)],
        ["KV bytes per token, as loaded", *(_kv_per_token(m) for m in blocks.values())],
        ["difference, KV cache", *(_kv_gap(m, kv) for m in blocks.values())],
        ["maximum concurrency at the model length", *(pick(m, "max_concurrency") for m in blocks.values())],
        ["activation peak of a prefill, MiB", *(_times(m, "activation_peak_gib", 1024) for m in blocks.values())],
        ["prompt tokens of that prefill", *(pick(m, "activation_tokens") for m in blocks.values())],
    ]
    where = "host memory" if document["params"]["platform"]["backend"] == "cpu" else "device memory"
    note = (
        f"All of it {where}; weights and KV cache of all ranks of an engine together. By arithmetic: parameters × "
        "bytes per parameter, KV bytes per token × tokens."
    )
    return Table("Weights and KV cache", ["", *modes], rows, note=note)


def _gap(block: dict[str, Any], key: str, expected: float) -> Any:
    """How far a loaded figure lies from the arithmetic, as a signed percentage."""
    value = pick(block, key)
    return value if isinstance(value, Missing) else _signed(value / expected - 1)


def _kv_gap(block: dict[str, Any], expected: float) -> Any:
    found = _kv_per_token(block)
    return found if isinstance(found, Missing) else _signed(found / expected - 1)


def _signed(share: float) -> str:
    return f"{100 * share:+.2f} %".replace("-", "−")


def _times(memory_block: dict[str, Any], key: str, factor: float) -> Any:
    value = pick(memory_block, key)
    return value if isinstance(value, Missing) else value * factor


def _kv_per_token(memory_block: dict[str, Any]) -> Any:
    gib, tokens = memory_block["kv_cache_gib"], memory_block["kv_cache_tokens"]
    return gib * GIB / tokens if gib and tokens else Missing("the engine did not say both tokens and GiB")


def ceilings(document: Document) -> Table:
    """Measured memory bandwidth and matrix rate of the device."""
    found = document["data"]["ceilings"]
    if found is None:
        return Table("Ceilings", ["what"], [[document["data"]["ceilings_why"]]])
    rows = [
        ["memory bandwidth (copy, bytes read + written)", Quantity(found["memory_bandwidth_gb_s"], "GB/s")],
        ["matrix product in the engine's dtype", Quantity(found["matmul_tflop_s"], "TFLOP/s")],
        ["torch threads", found["threads"]],
    ]
    note = (
        "The copy is larger than the caches of most processors. A model that fits into its processor's caches can "
        "read its weights faster: then the bound of bandwidth is no upper limit."
    )
    return Table("Ceilings of this device, measured in this run", ["what", "best of several"], rows, note=note)


def break_even(document: Document) -> Prose:
    """When compilation has paid for its longer start, in a sentence."""
    found = document["data"]["break_even"]
    words = [
        f"**Break-even**, on the workload `{found.get('workload')}`, import and configuration apart: {_paid(found)}"
    ]
    if found.get("by_phases"):
        words.append(f"By the phases compile, capture and KV cache alone: {_paid(found['by_phases'])}")
    if found.get("cold"):
        words.append(f"With an empty compile cache: {_paid(found['cold'])}")
    return Prose(" ".join(words))


def _paid(found: dict[str, Any]) -> str:
    if found["tokens"] is None:
        return f"{found['tokens_why']}."
    if found["extra_startup_s"] <= 0:
        return "at once: compiled mode did not start later than eager in this run."
    low, high = found["tokens_low"], found["tokens_high"]
    span = "no interval" if not low else f"{low:,.0f} to " + (f"{high:,.0f}" if high else "never")
    return (
        f"compiled mode starts {fmt(found['extra_startup_s'], 's')} later, saves "
        f"{fmt(1e6 * found['saved_s_per_token'], 'µs')} per output token and has paid for its start after "
        f"{found['tokens']:,.0f} output tokens ({span} over the 95 % interval of the "
        f"speed-up), {fmt(found['seconds'], 's')} of running."
    )


def topology(document: Document) -> Prose:
    """How the engine was spread over devices, in a sentence."""
    found = document["data"]["topology"]
    sizes = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found.items() if key.endswith("_size"))
    return Prose(
        f"**Topology**: {sizes}; executor: {found['distributed_executor_backend']}; engine core {found['engine_core']}."
    )
