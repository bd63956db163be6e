"""What a params file may say: one model per block, every field with its unit and default.

`params/base.yaml` holds the values shared by all sets; the defaults here apply
to a file that does not state a field.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, field_validator, model_validator

from evalpress.core import names
from evalpress.core.plain import Json
from evalpress.core.validation import KeyPath, found
from evalpress.params import modes
from evalpress.params.answers import AlignmentParams as AlignmentParams
from evalpress.params.answers import EvidenceParams as EvidenceParams
from evalpress.params.answers import HumanEvalParams as HumanEvalParams
from evalpress.params.answers import LmEvalParams as LmEvalParams
from evalpress.params.answers import QualityParams as QualityParams
from evalpress.params.engine import Block as Block
from evalpress.params.engine import EngineParams as EngineParams
from evalpress.params.engine import Mode as Mode
from evalpress.params.engine import ModelParams as ModelParams
from evalpress.params.engine import NonNegative as NonNegative
from evalpress.params.engine import PlatformParams as PlatformParams
from evalpress.params.engine import PositiveInt as PositiveInt
from evalpress.params.engine import SectionName as SectionName
from evalpress.params.engine import Share as Share
from evalpress.params.features import FeatureParams as FeatureParams
from evalpress.params.place import Place
from evalpress.params.running import ReportParams as ReportParams
from evalpress.params.running import RunParams as RunParams

_LAST_PORT = 65535


class Workload(Block):
    """Requests of one shape: `num_prompts` requests of `input_len` random tokens, `output_len` generated."""

    kind: Literal["throughput", "prefill", "decode", "e2e"] = "throughput"
    num_prompts: PositiveInt
    input_len: PositiveInt
    output_len: PositiveInt
    concurrent: bool = True
    """All requests at once; False: one after the other."""

    @property
    def alone(self) -> bool:
        """Whether a request of this kind has the engine to itself: its E2EL is the latency of a single request."""
        return self.kind in ("decode", "e2e") and (self.num_prompts == 1 or not self.concurrent)


class ScalingParams(Block):
    """How speed changes with batch size and prompt length; E2EL against output length comes from the workloads."""

    batch_sizes: tuple[PositiveInt, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    """Requests at once; those that the KV cache or the scheduler cannot take together are left out."""
    batch_input_len: PositiveInt = 32
    batch_output_len: Annotated[int, Field(ge=2)] = 16
    prompt_lens: tuple[PositiveInt, ...] = (64, 256, 1024)
    """Prompts of one request at a time, whose TTFT is taken; those beyond `engine.max_model_len` are left out."""
    repeats: PositiveInt = 3
    """Measured runs per point and mode, after one that is not counted."""


class BenchmarkParams(Block):
    """Eager against compiled, in blocks."""

    blocks: Annotated[int, Field(ge=2)] = 6
    """Blocks per mode and workload; each block draws new prompts."""
    startup_repeats: PositiveInt = 1
    """Starts of each engine. From three on, break-even has an interval that holds their spread."""
    warmup_blocks: PositiveInt = 1
    """Blocks that are run first, with at most 16 output tokens per request, and never counted."""
    workloads: dict[str, Workload] = {}
    """By name; null leaves out a workload of the set that this one extends."""
    ceilings: bool = True
    """Measure memory bandwidth and matrix rate of the device."""
    scaling: ScalingParams | None = ScalingParams()
    """None: no scaling curves."""
    features: FeatureParams = FeatureParams()
    """What deployments switch on: off unless the set names it."""

    @field_validator("workloads", mode="before")
    @classmethod
    def _left_out(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: load for name, load in value.items() if load is not None}


class SloSearchParams(Block):
    """The search for the highest request rate that keeps the SLO: bracketing, then bisection."""

    attainment: Share = 0.95
    """A rate keeps the SLO where this share of its requests does, in every repeat."""
    steps: PositiveInt = 4
    """Rates tried per server."""


class StartsParams(Block):
    """Starts by the run book's command, each in a process of its own, beside those of the servers that are loaded."""

    cold: Annotated[int, Field(ge=0)] = 0
    """Starts per mode with empty compile caches; three or more give an interval."""
    warm: Annotated[int, Field(ge=0)] = 0
    """Starts per mode with the caches that the cold start before it filled."""
    bench: bool = False
    """Run `vllm bench startup` beside them, as many starts of an engine without a server."""


class ServingParams(Block):
    """The OpenAI server and the load put on it."""

    modes: tuple[Mode, ...] = ("compiled", "eager")
    """Each is served and loaded in turn; the first is the one of the run book. With `engine.variants`: all of them."""
    base_url: str | None = None
    """Measure a server that already runs (for instance http://localhost:8000) instead of starting one."""
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0: any free port."""
    startup_timeout_s: Annotated[float, Field(gt=0)] = 600
    served_model: str | None = None
    """The name under which a server that already runs offers the model; None: the first that it offers."""
    api_key_env: str | None = None
    """Environment variable with the key of a server that already runs; None: VLLM_API_KEY, else OPENAI_API_KEY."""
    ca_file: str | None = None
    """Certificate authority (PEM) of a server that already runs behind https; None: the system's."""
    metrics_url: str | None = None
    """Where a router before several replicas gives its Prometheus counters; None: /metrics of the server itself."""
    concurrency: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 8, 32, 128)
    """Closed loop: numbers of requests in flight, from one stream to saturation."""
    rate_shares: tuple[Share, ...] = (0.3, 0.6, 0.9)
    """Poisson arrivals at these shares of the request throughput at saturation, measured just before."""
    repeats: PositiveInt = 3
    """Runs of every level and rate, the servers in turn; three or more give an interval over repeats."""
    requests_per_level: PositiveInt = 16
    """Fewest requests in the window of a closed loop and per run of an open loop; at least one per stream."""
    rate_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Shortest duration of the arrivals at a rate, in s, about: many times a request's E2EL, for a steady state."""
    input_len: PositiveInt = 64
    output_len: PositiveInt = 32
    slo: dict[Literal["ttft", "tpot", "e2el"], Annotated[float, Field(gt=0)]] = {"ttft": 200.0, "tpot": 50.0}
    """What a request must keep to count as good, in ms: goodput is the good requests per second."""
    slo_search: SloSearchParams | None = None
    """Search for the highest request rate that keeps the SLO; None: no search."""
    starts: StartsParams = StartsParams()
    """Further starts of each server, cold and warm, after the load."""

    @property
    def mode(self) -> Mode:
        """The mode of the run book's server."""
        return self.modes[0]

    @model_validator(mode="after")
    def _each_mode_once(self) -> ServingParams:
        if not self.modes or len(set(self.modes)) != len(self.modes):
            raise ValueError("modes: name each mode at most once, and at least one")
        return self

    @model_validator(mode="after")
    def _ports_exist(self) -> ServingParams:
        last = self.port + len(self.modes) - 1
        if self.port and not self.base_url and last > _LAST_PORT:
            raise ValueError(
                f"port: found {self.port} for {len(self.modes)} modes, which take consecutive ports; "
                f"allowed at most {_LAST_PORT - len(self.modes) + 1}, or 0 for any free ports"
            )
        return self

    @model_validator(mode="after")
    def _address(self) -> ServingParams:
        for key, url in (("base_url", self.base_url), ("metrics_url", self.metrics_url)):
            if url is None:
                continue
            if not url.isprintable() or " " in url:
                raise ValueError(f"{key}: found {url!r}, allowed an address without blanks")
            parts = urlsplit(url)  # a ValueError of its own for brackets that do not match
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{key}: found {url!r}, allowed http://host:port or https://host:port")
            if parts.port is not None and not parts.port:
                raise ValueError(f"{key}: found port 0, allowed 1 to 65535")
        return self


class GateParams(Block):
    """Limits of the verdict. None switches a gate off, and the report says so."""

    cosine_similarity_min: Annotated[float, Field(ge=-1, le=1)] | None = 0.99
    kl_divergence_max: NonNegative | None = 0.005
    unexplained_flips_max: Annotated[int, Field(ge=0)] | None = 0
    noise_ratio_warn: NonNegative | None = 2.0
    noise_ratio_max: NonNegative | None = 4.0
    quality_pass_rate_min: Annotated[float, Field(ge=0, le=1)] | None = None
    evidence_repeats_identical: bool = True


class Params(Block):
    """One report."""

    set: str
    title: str
    description: str = ""
    model: ModelParams
    platform: PlatformParams
    engine: EngineParams = EngineParams()
    benchmark: BenchmarkParams = BenchmarkParams()
    serving: ServingParams = ServingParams()
    evidence: EvidenceParams = EvidenceParams()
    alignment: AlignmentParams = AlignmentParams()
    quality: QualityParams = QualityParams()
    gates: GateParams = GateParams()
    claims: tuple[str, ...] = ()
    """Files of published numbers to audit, shown as claims."""
    skip: dict[SectionName, Annotated[str, Field(min_length=1)]] = {}
    """Sections not to run, each with the reason that the report prints."""
    run: RunParams = RunParams()
    report: ReportParams = ReportParams()
    _places: dict[KeyPath, Place] = PrivateAttr(default_factory=dict)
    _overrides: Json = PrivateAttr(default_factory=dict)

    @property
    def overrides(self) -> Json:
        """Values given beside the file (`--param a.b=c`), by dotted key."""
        return dict(self._overrides)

    def stated_at(self, places: dict[KeyPath, Place], overrides: Json) -> Params:
        """These parameters with where each key was stated, and what was given beside the files."""
        self._places = places
        self._overrides = dict(overrides)
        return self

    def place(self, key: str) -> Place | None:
        """The file and line that state a dotted key or, first found, what it is in."""
        parts = tuple(int(part) if part.isdigit() else part for part in key.split("."))
        return next((self._places[parts[:n]] for n in range(len(parts), -1, -1) if parts[:n] in self._places), None)

    def where(self, key: str) -> str:
        """`file:line: key` for a message about a parameter."""
        place = self.place(key)
        return f"{place or f'params/{self.set}.yaml'}: {key}"

    @field_validator("set")
    @classmethod
    def _name_of_a_folder(cls, name: str) -> str:
        if why := names.refused(name):
            raise ValueError(f"found {found(name)}, {why}")
        return name

    @model_validator(mode="before")
    @classmethod
    def _variants_are_modes(cls, data: Any) -> Any:
        return modes.filled_in(data)

    @model_validator(mode="after")
    def _modes_are_known(self) -> Params:
        known = self.engine.known_modes
        named = {"engine.modes": self.engine.modes, "serving.modes": self.serving.modes}
        named |= {"evidence.mode": (self.evidence.mode,), "quality.mode": (self.quality.mode,)}
        named |= {"benchmark.features.mode": (self.benchmark.features.mode or self.engine.modes[-1],)}
        for key, wanted in named.items():
            for mode in wanted:
                if mode not in known:
                    raise ValueError(f"{key}: found {found(mode)}, allowed {', '.join(known)} (see engine.variants)")
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> Params:
        limit = self.engine.max_model_len
        for name, load in self.benchmark.workloads.items():
            if load.input_len + load.output_len > limit:
                raise ValueError(
                    f"benchmark.workloads.{name}: input_len + output_len = {load.input_len + load.output_len} tokens, "
                    f"engine.max_model_len allows {limit}"
                )
        for key, tokens in self.benchmark.features.longest().items():
            if tokens > limit:
                raise ValueError(f"benchmark.features.{key} = {tokens} tokens, engine.max_model_len allows {limit}")
        scaling = self.benchmark.scaling
        if scaling and scaling.batch_input_len + scaling.batch_output_len > limit:
            raise ValueError(
                f"benchmark.scaling: batch_input_len + batch_output_len = "
                f"{scaling.batch_input_len + scaling.batch_output_len} tokens, engine.max_model_len allows {limit}"
            )
        if self.serving.input_len + self.serving.output_len > limit:
            raise ValueError(
                f"serving: input_len + output_len = {self.serving.input_len + self.serving.output_len} tokens, "
                f"engine.max_model_len allows {limit}"
            )
        return self
