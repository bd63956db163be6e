"""The benchmark section's tables of the engines themselves: start-up, compilation, memory, peak rates, topology."""

from __future__ import annotations

from evalpress.core.results import Document
from evalpress.core.units import GIB, MIB
from evalpress.display.completion import own_functions
from evalpress.display.tables import Cell, Missing, Prose, Quantity, Table, fmt, moment, pick
from evalpress.engine.results import Memory, Startup
from evalpress.sections import energy_table
from evalpress.sections.benchmark import break_even_text
from evalpress.sections.benchmark.phase_labels import LONG, named_starts
from evalpress.sections.benchmark.results import PeakRates, PeakRound, Results

__dir__ = own_functions(__name__)


def startup(document: Document[Results]) -> Table:
    """Start-up by phase; phases and the unaccounted rest add up to the total."""
    starts = named_starts(document.data)
    rows: list[list[Cell]] = [[name, *(pick(start, key) for start in starts.values())] for key, name in LONG.items()]
    rows.append(["graphs captured", *(start.captured_graphs for start in starts.values())])
    rows.append(["compile cache", *(start.compile_cache for start in starts.values())])
    rows.append(["measured", *(_when(start) for start in starts.values())])
    repeats = [
        f"{mode} {', '.join(fmt(total, 's') for total in found.startup_repeats_s)}"
        for mode, found in document.data.modes.items()
        if found.startup_repeats_s
    ]
    note = (
        "Import and first configuration happen once per process: the starts of this run contain the same measured "
        "values, a cold start those of its own process. Where engines are loaded one after the other in one process, "
        "the first start also contains work that is done once per process, in the engine core's start and in the "
        "unaccounted time. Phases come from the engine's log lines; time that no line explains is unaccounted. Cold: "
        "with an empty compile cache; where vLLM's other caches are empty as well, vLLM starts a further process to "
        "inspect the model's class, and the first configuration takes longer."
    ) + (f" Totals of further starts in this run: {'; '.join(repeats)}." if repeats else "")
    return Table("Start-up, seconds", ["phase", *starts], rows, note=note)


def _when(start: Startup) -> str:
    if start.second_in_process:
        return "second start in this process"
    return f"on this host, {moment(start.measured)}" if start.measured else "in this run"


def compilation(document: Document[Results]) -> Table:
    """What each mode compiles and captures, read from the engine's configuration and log."""
    modes = document.data.modes
    keys = {
        "mode": "compilation mode",
        "backend": "backend",
        "cudagraph_mode": "graph capture mode",
        "dynamo_s": "Dynamo tracing, s",
        "backend_compile_s": "backend compilation, s",
    }
    rows: list[list[Cell]] = [
        [name, *(pick(found.compilation, key) for found in modes.values())] for key, name in keys.items()
    ]
    return Table("What compilation did", ["", *modes], rows)


def memory(document: Document[Results]) -> Table:
    """Weights and KV cache as the engine holds them, beside the arithmetic."""
    data = document.data
    held = [found.memory for found in data.modes.values()]
    weights, kv = pick(data.model, "weight_bytes"), pick(data.model, "kv_bytes_per_token")
    rows: list[list[Cell]] = [
        ["weights, MiB", *(_times(m, "model_weights_gib", 1024) for m in held)],
        ["weights by arithmetic, MiB", *(_scaled(weights, 1 / MIB) for _ in held)],
        ["difference, weights", *(_gap(_times(m, "model_weights_gib", GIB), weights) for m in held)],
        ["KV cache, GiB", *(_times(m, "kv_cache_gib", 1) for m in held)],
        ["KV cache, tokens", *(pick(m, "kv_cache_tokens") for m in held)],
        ["KV bytes per token, by arithmetic", *(kv for _ in held)],
        ["KV bytes per token, as loaded", *(_kv_per_token(m) for m in held)],
        ["difference, KV cache", *(_gap(_kv_per_token(m), kv) for m in held)],
        ["maximum concurrency at the model length", *(pick(m, "max_concurrency") for m in held)],
        ["activation peak of a prefill, MiB", *(_times(m, "activation_peak_gib", 1024) for m in held)],
        ["prompt tokens of that prefill", *(pick(m, "activation_tokens") for m in held)],
    ]
    where = "host memory" if document.params["platform"]["backend"] == "cpu" else "device memory"
    note = (
        f"All of it {where}; weights and KV cache of all ranks of an engine together. By arithmetic: parameters × "
        "bytes per parameter, KV bytes per token × tokens."
    )
    return Table("Weights and KV cache", ["", *data.modes], rows, note=note)


def _gap(value: Cell, expected: Cell) -> Cell:
    """Difference of a loaded figure from the arithmetic, as a signed percentage."""
    for part in (value, expected):
        if isinstance(part, Missing):
            return part
    assert isinstance(value, int | float) and isinstance(expected, int | float)
    return f"{100 * (value / expected - 1):+.2f} %".replace("-", "−")


def _times(memory: Memory, key: str, factor: float) -> Cell:
    return _scaled(pick(memory, key), factor)


def _scaled(value: Cell, factor: float) -> Cell:
    return value * factor if isinstance(value, int | float) else value


def _kv_per_token(memory: Memory) -> Cell:
    if memory.kv_cache_gib and memory.kv_cache_tokens:
        return memory.kv_cache_gib * GIB / memory.kv_cache_tokens
    return Missing("the engine did not say both tokens and GiB")


def peak_rates(document: Document[Results]) -> Table:
    """Measured memory bandwidth and matrix rate of the device, over the rounds of the run."""
    found = document.data.ceilings
    if found is None:
        return Table("Peak rates", ["what"], [[str(document.data.ceilings_why)]])
    rounds = [one.when.replace(" of eager and compiled", "") for one in found.rounds]
    rows: list[list[Cell]] = [
        [name, Quantity(best, unit), *(_rate(one, key, unit) for one in found.rounds)]
        for name, key, unit, best in (
            ("memory bandwidth (copy)", "memory_bandwidth_gb_s", "GB/s", found.memory_bandwidth_gb_s),
            (f"matrix product ({found.matrix_form})", "matmul_tflop_s", "TFLOP/s", found.matmul_tflop_s),
        )
    ]
    return Table(
        "Peak rates of this device, measured in this run", ["what", "best", *rounds], rows, note=_note(document, found)
    )


def _rate(record: PeakRound, key: str, unit: str) -> Cell:
    value = pick(record, key)
    return value if isinstance(value, Missing) else Quantity(value, unit)


def _note(document: Document[Results], found: PeakRates) -> str:
    cache = f" ({found.cache_bytes / MIB:,.0f} MiB here)" if found.cache_bytes else ""
    return (
        f"Bandwidth: bytes read and written. {found.threads} torch threads. The best of all rounds counts, because "
        "other programs may use the machine during a single round. Rounds after the first repeat only the kinds of "
        "matrix products that reached half of the best one. A model that fits into its processor's largest cache"
        f"{cache} can read its weights faster than from memory; the bandwidth bound is then not an upper limit."
        + _in_engine_dtype(document, found)
    )


def _in_engine_dtype(document: Document[Results], found: PeakRates) -> str:
    """What matrix products reach in the engine's dtype, where those in another are faster; else nothing."""
    dtype = document.params.get("engine", {}).get("dtype", "")
    if " in " not in found.matrix_form or found.matrix_form.endswith(f" in {dtype}"):
        return ""
    best = found.matrix_form.rpartition(" in ")[2]
    known = found.engine_dtype_tflop_s
    rate = "a lower rate" if known is None else f"at most {fmt(known, 'TFLOP/s')}"
    return (
        f" The engine computes in {dtype}, in which matrix products reached {rate} here; MFU is a share of the rate in "
        f"{best}, so kernels in {dtype} may be what keeps it low."
    )


def energy(document: Document[Results]) -> Table:
    """Joules per output token, tokens per second and watt, utilisation and temperature of every workload and mode."""
    data = document.data
    rows = [([name, mode], found[name]) for name in data.workloads for mode, found in data.energy.items()]
    return energy_table.table(["workload", "mode"], rows, data.energy_source, data.energy_why or "")


def break_even(document: Document[Results]) -> Prose:
    """After how many tokens each way of compiling has made up for its longer start, in a paragraph per mode."""
    return break_even_text.paragraphs(document.data)


def topology(document: Document[Results]) -> Prose:
    """How the engine was spread over devices, in a sentence."""
    found = document.data.topology
    sizes = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found if key.endswith("_size"))
    return Prose(
        f"**Topology**: {sizes}; executor: {found.distributed_executor_backend}; engine core {found.engine_core}."
    )
