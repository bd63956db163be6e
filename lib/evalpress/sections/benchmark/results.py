"""The benchmark section's results: the schema of `results/benchmark.json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from evalpress.core import results
from evalpress.core.plain import Json
from evalpress.core.results import Model
from evalpress.engine.results import Compilation, Memory, Startup
from evalpress.params.engine import COMPILED
from evalpress.platforms.power import NOT_READ, Energy
from evalpress.sections.benchmark import migration
from evalpress.sections.benchmark.features.results import OFF, Features
from evalpress.sections.benchmark.scaling_results import BatchPoint as BatchPoint
from evalpress.sections.benchmark.scaling_results import OutputLine as OutputLine
from evalpress.sections.benchmark.scaling_results import PromptPoint as PromptPoint
from evalpress.sections.benchmark.scaling_results import Scaling as Scaling
from evalpress.sections.benchmark.speed_results import SpeedFigures

Better = Literal["higher", "lower"]
InvariantStatus = Literal["ok", "note", "broken"]


NEITHER = "neither peak"
"""The bottleneck in words where a phase reaches a tenth of no peak rate."""
_INFERRED = "launch overhead"
"""What earlier versions wrote in its place; nothing had timed it."""


class Roofline(Model):
    """Rates compared with what the measured peak rates of the device allow. Shares are ratios, at most 1."""

    bandwidth_bound_tok_s: float | None = Field(description="decode tokens/s that memory bandwidth allows")
    bandwidth_bound_tok_s_why: str | None = None
    arithmetic_bound_tok_s: float | None = Field(description="prompt tokens/s that the matrix rate allows")
    arithmetic_bound_tok_s_why: str | None = None
    mbu: float | None = Field(description="model bandwidth utilisation of decoding")
    mbu_why: str | None = None
    mfu: float | None = Field(description="model FLOPs utilisation of prefill")
    mfu_why: str | None = None
    decode_limited_by: str | None = Field(description="bottleneck of decoding, in words")
    decode_limited_by_why: str | None = None
    prefill_limited_by: str | None = Field(description="bottleneck of prefill, in words")
    prefill_limited_by_why: str | None = None

    @field_validator("decode_limited_by", "prefill_limited_by", mode="before")
    @classmethod
    def _nothing_inferred(cls, found: object) -> object:
        return NEITHER if found == _INFERRED else found


class WorkloadFigures(SpeedFigures, Roofline):
    """All figures of one mode and workload."""


class ModeResults(Model):
    """One mode: its engine and its figures by workload."""

    startup: Startup
    startup_cold: Startup | None
    startup_cold_why: str | None = None
    startup_repeats_s: tuple[float, ...] = ()
    """`total_s` of every further start of the same kind in this run, for the uncertainty of a start."""
    memory: Memory
    compilation: Compilation
    workloads: dict[str, WorkloadFigures]


class WorkloadShape(Model):
    """A workload as it was run: requests of one shape."""

    kind: Literal["throughput", "prefill", "decode", "e2e"]
    num_prompts: int = Field(description="requests per block")
    input_len: int = Field(description="prompt tokens per request")
    output_len: int = Field(description="generated tokens per request")
    concurrent: bool = Field(description="all requests of a block at once, or one after the other")
    alone: bool = Field(description="whether a request has the engine to itself")


class PairedMetric(Model):
    """One metric, block by block: `ratio` is compiled / eager with its 95 % interval.

    In a pair of `variants`, `compiled` is the variant that the pair is named by.
    """

    eager: float | None
    eager_why: str | None = None
    compiled: float | None
    compiled_why: str | None = None
    ratio: float | None = Field(description="geometric mean of the blocks' paired ratios")
    ratio_why: str | None = None
    ci_low: float | None
    ci_low_why: str | None = None
    ci_high: float | None
    ci_high_why: str | None = None
    n_pairs: int
    better: Better


class IdenticalTokens(Model):
    """Requests whose generated tokens are the same in both modes."""

    identical: int
    of: int


class BreakEvenFigures(Model):
    """After how many output tokens, and seconds of compiled running, compilation has made up for its start."""

    extra_startup_s: float | None
    extra_startup_s_why: str | None = None
    saved_s_per_token: float | None
    saved_s_per_token_why: str | None = None
    tokens: float | None
    tokens_why: str | None = None
    seconds: float | None
    seconds_why: str | None = None
    tokens_low: float | None = Field(description="lower end of the interval: speed-up and starts both uncertain")
    tokens_low_why: str | None = None
    tokens_high: float | None
    tokens_high_why: str | None = None


class BreakEven(BreakEvenFigures):
    """For a warm start; `by_phases` counts the phases that depend on the mode alone, `cold` an empty cache."""

    workload: str | None
    workload_why: str | None = None
    by_phases: BreakEvenFigures | None
    by_phases_why: str | None = None
    cold: BreakEvenFigures | None
    cold_why: str | None = None


class PeakRound(Model):
    """The peak rates at one moment of the run."""

    when: str
    seconds: float | None = None
    """What measuring them took."""
    memory_bandwidth_gb_s: float | None
    memory_bandwidth_gb_s_why: str | None = None
    matmul_tflop_s: float | None
    matmul_tflop_s_why: str | None = None


class PeakRates(Model):
    """What the device can do at best: the best of all rounds."""

    memory_bandwidth_gb_s: float = Field(description="1e9 bytes read plus written per second by a large copy")
    matmul_tflop_s: float = Field(description="1e12 floating-point operations per second, a multiply-add is two")
    copy_bytes: int
    matrix_size: int
    matrix_form: str = "a @ b"
    engine_dtype_tflop_s: float | None = Field(
        default=None, description="the best of the products in the engine's dtype"
    )
    engine_dtype_tflop_s_why: str | None = "measured by an older version of this suite, which did not record it"
    threads: int
    devices: int = Field(default=1, description="devices of one engine that work at the same time")
    cache_bytes: int | None = None
    """Last-level cache of the processor, where it is known: what fits into it can be read faster than memory."""
    rounds: tuple[PeakRound, ...] = ()
    raw: dict[str, tuple[float, ...]]


class Topology(Model):
    """How the engine is spread over devices."""

    tensor_parallel_size: int
    pipeline_parallel_size: int
    data_parallel_size: int
    distributed_executor_backend: str
    engine_core: str


class ModelSize(Model):
    """The model's arithmetic that figures are compared with, in bytes."""

    weight_bytes: int | None
    weight_bytes_why: str | None = None
    kv_bytes_per_token: float | None
    kv_bytes_per_token_why: str | None = None


class Invariant(Model):
    """What the section's own figures must satisfy, with what was found."""

    id: str
    statement: str
    status: InvariantStatus
    found: str


class Pair(Model):
    """A compiling mode against eager."""

    comparison: dict[str, dict[str, PairedMetric]] = Field(description="workload -> metric, the mode against eager")
    identical_tokens: dict[str, IdenticalTokens]
    break_even: BreakEven


class Results(results.Results):
    """Everything that the benchmark section measured."""

    VERSION: ClassVar[int] = 2

    modes: dict[str, ModeResults]
    workloads: dict[str, WorkloadShape]
    pairing: str
    model: ModelSize
    ceilings: PeakRates | None = Field(description="peak rates of the device")
    ceilings_why: str | None = None
    scaling: Scaling
    topology: Topology
    comparison: dict[str, dict[str, PairedMetric]] = Field(description="workload -> metric, compiled against eager")
    comparison_why: str | None = None
    identical_tokens: dict[str, IdenticalTokens]
    break_even: BreakEven
    variants: dict[str, Pair] = Field(default={}, description="each mode of engine.variants against eager")
    identities: tuple[Invariant, ...] = Field(description="invariants that were checked")
    energy: dict[str, dict[str, Energy]] = Field(default={}, description="mode -> workload -> energy over its blocks")
    energy_why: str | None = Field(default=NOT_READ, description="why it is empty")
    energy_source: str | None = Field(default=None, description="source of the power readings, in words")
    energy_source_why: str | None = NOT_READ
    features: Features | None = Field(default=None, description="what deployments switch on (benchmark.features)")
    features_why: str | None = OFF
    left_out: tuple[str, ...] = Field(default=(), description="what run.budget_minutes left out")

    @property
    def pairs(self) -> dict[str, Pair]:
        """Every compiling mode that was measured beside eager, against it: `compiled` and each variant, by name."""
        own = Pair(comparison=self.comparison, identical_tokens=self.identical_tokens, break_even=self.break_even)
        return ({COMPILED: own} if self.comparison else {}) | self.variants

    @classmethod
    def migrate(cls, data: Json, version: int) -> Json:
        """Version 1 left out some keys where nothing was measured; here each is null with its reason."""
        return migration.from_version_1(data) if version == 1 else super().migrate(data, version)
