"""The rows of a card's tables, computed from the results of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalpress.core.results import Model
from evalpress.params.engine import EAGER
from evalpress.report.card.words import Words, count, number, share
from evalpress.sections.alignment.agreement_results import RankedToken
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.alignment.results import Run
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.evidence.results import Results as Evidence
from evalpress.sections.setup.results import ModelTable

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


@dataclass(frozen=True)
class Row:
    """One figure as text: one value per column."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class LastPosition:
    """The best token of both sides at the last position of a prompt; `top5` is a share."""

    prompt: str
    reference: RankedToken
    candidate: RankedToken
    top5: float
    cosine: float | None

    @property
    def match(self) -> bool:
        """Whether both sides have the same best token."""
        return self.reference.id == self.candidate.id


@dataclass(frozen=True)
class LastPositions:
    """The last positions of one candidate."""

    name: str
    rows: tuple[LastPosition, ...]


@dataclass(frozen=True)
class ColdStart:
    """A start with an empty compile cache, as text with units."""

    compile: str
    total: str


def config(model: ModelTable) -> list[tuple[str, str]]:
    """Rows of the model's configuration that the model has."""
    rows = [(key, getattr(model, key)) for key in _CONFIG]
    return [
        (key, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
        for key, value in rows
        if value is not None
    ]


def details(benchmark: Benchmark, words: Words) -> list[Row]:
    """The benchmark's details: one row per figure, one value per mode, in the order of the modes."""
    modes = benchmark.modes.values()
    rows: list[Row] = []
    for name, load in benchmark.workloads.items():
        found = [mode.workloads[name] for mode in modes]
        shape = {"input": load.input_len, "output": load.output_len}
        if load.kind == "throughput":
            rows.append(
                _row(words("output_throughput", requests=load.num_prompts), found, "output_throughput", "tok/s")
            )
            rows.append(_row(words("request_throughput"), found, "request_throughput", "req/s"))
        elif load.kind == "prefill":
            rows.append(_row(words("prefill", **shape), found, "prefill_throughput", "tok/s"))
            for extreme in ("mean", "min", "max"):
                rows.append(_row(words(f"ttft_{extreme}"), found, f"{extreme}_ttft_ms", "ms"))
        elif load.kind == "decode":
            rows.append(_row(words("decode", **shape), found, "decode_throughput", "tok/s"))
        elif load.kind == "e2e":
            times = tuple(_e2e(one.mean_e2el_ms, load.output_len) for one in found)
            rows.append(Row(words("e2e", **shape), times))
    memory = [mode.memory for mode in modes]
    rows.append(Row(words("memory_weights"), tuple(_mib(one.model_weights_gib) for one in memory)))
    rows.append(_row(words("kv_tokens"), memory, "kv_cache_tokens", "tokens"))
    rows.append(_row(words("captured_graphs"), [mode.startup for mode in modes], "captured_graphs", ""))
    return rows


def _e2e(ms: float | None, tokens: int) -> str:
    """End-to-end latency with the tokens per second that it means."""
    return _NA if ms is None else f"{number(ms)} ms ({number(1e3 * tokens / ms)} tok/s)"


def _mib(gib: float | None) -> str:
    return _NA if gib is None else f"{number(1024 * gib)} MiB"


def _row(label: str, found: Sequence[Model], key: str, unit: str) -> Row:
    """A figure by its key, of every mode."""
    shown = count if unit in ("tokens", "") else number
    values = (getattr(one, key) for one in found)
    return Row(label, tuple(_NA if value is None else f"{shown(value)} {unit}".strip() for value in values))


def precision(alignment: Alignment, words: Words) -> list[Row]:
    """The noise floor and every candidate, metric by metric."""
    columns = (alignment.noise_floor, *alignment.candidates.values())
    rows = [Row(words(name), tuple(_metric(column, name) for column in columns)) for name in _KEYS]
    flips = tuple(f"{one.flips.unexplained} / {one.flips.total}" for one in columns)
    return [*rows, Row(words("flips"), flips)]


def _metric(column: Run, name: str) -> str:
    value = getattr(column, _KEYS[name])
    return share(value) if name in ("top1", "top5") else number(value, 6 if name == "cosine" else 3)


def last_positions(alignment: Alignment, evidence: Evidence | None) -> LastPositions | None:
    """Top tokens at the last position of each prompt, of the engine whose mode is the last of the candidates."""
    if not alignment.candidates:
        return None
    name, found = list(alignment.candidates.items())[-1]
    texts = {case.id: case.prompt for case in evidence.cases} if evidence else {}
    rows = tuple(
        LastPosition(
            prompt=texts.get(one.id, one.id),
            reference=one.top5_reference[0],
            candidate=one.top5_candidate[0],
            top5=one.last_position.top5_overlap,
            cosine=one.last_position.cosine_similarity,
        )
        for one in found.prompts
        if one.kind == "prompt" and one.top5_reference
    )
    return LastPositions(name, rows) if rows else None


def cold_start(benchmark: Benchmark) -> ColdStart | None:
    """Compilation and whole start of the first compiling mode when its cache was empty."""
    found = next((one for mode, one in benchmark.modes.items() if mode != EAGER), None)
    for start in (found.startup_cold, found.startup) if found else ():
        if start and start.cold and start.compile_s is not None:
            return ColdStart(f"{number(start.compile_s)} s", f"{number(start.total_s)} s")
    return None
