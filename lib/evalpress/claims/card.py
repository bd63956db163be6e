"""The schema of a file of published claims: every number a text as it was printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from evalpress.claims.interval import Published, parse
from evalpress.core.errors import UserError
from evalpress.core.paths import shown
from evalpress.core.validation import line_of, mistakes
from evalpress.core.yaml12 import load_yaml


class Block(BaseModel):
    """A block of the file: frozen, strict, no unknown keys. Absent blocks are not audited."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


def _number(*units: str) -> Callable[[Any], Published]:
    """A validator that parses numbers whose base unit is one of `units`."""

    def read(value: Any) -> Published:
        if not isinstance(value, str):
            raise ValueError(f"found {value!r}, allowed the number as it was printed, in quotes")
        found = parse(value)
        if found.unit not in units:
            raise ValueError(f"found {value!r}, allowed a number in {' or '.join(units)}")
        return found

    return read


Count = Annotated[Published, BeforeValidator(_number("count"))]
Seconds = Annotated[Published, BeforeValidator(_number("s"))]
Rate = Annotated[Published, BeforeValidator(_number("tok/s", "req/s"))]
Share = Annotated[Published, BeforeValidator(_number("share"))]
Bytes = Annotated[Published, BeforeValidator(_number("bytes"))]
Plain = Annotated[Published, BeforeValidator(_number("count"))]
Score = Annotated[Published, BeforeValidator(_number("share", "count"))]
Measured = Annotated[Published, BeforeValidator(_number("tok/s", "req/s", "s"))]


class Source(Block):
    """Where the claims are published, and by whom, as far as is known."""

    title: str
    publisher: str
    document: str
    language: str
    note: str = ""


class Model(Block):
    """The model as the card describes it."""

    name: str
    architecture: str
    parameters: tuple[Count, ...] = ()
    dtype: Literal["bfloat16", "float16", "float32"]
    adaptation: Literal["none", "plugin", "code"] | None = None
    """What the card says had to be adapted."""
    config: dict[str, Count] = {}
    tie_word_embeddings: bool = False


class Environment(Block):
    """Versions and device."""

    backend: Literal["cpu", "cuda", "ascend"]
    device: str
    device_memory: Bytes | None = None
    versions: dict[str, str] = {}


class Settings(Block):
    """How the engine was started."""

    max_model_len: Count | None = None
    gpu_memory_utilization: float | None = None
    trust_remote_code: bool = False
    tensor_parallel_size: tuple[int, ...] = ()
    env: dict[str, str] = {}


class Comparison(Block):
    """A row of eager against compiled; `gain` is compiled / eager - 1."""

    metric: Literal["output_throughput", "request_throughput", "ttft", "load_time"]
    eager: Measured
    compiled: Measured
    gain: Share | None = None


class Load(Block):
    """A rate with the shape of its requests."""

    input_len: Count | None = None
    output_len: Count
    rate: Rate


class Spread(Block):
    """Mean and extremes of one time."""

    mean: Seconds
    min: Seconds
    max: Seconds


class EndToEnd(Block):
    """One request: tokens, time and the rate printed beside them."""

    output_len: Count
    time: Seconds
    rate: Rate


class Speed(Block):
    """The benchmark's details."""

    prefill: Load | None = None
    decode: Load | None = None
    ttft: Spread | None = None
    e2e: tuple[EndToEnd, ...] = ()


class Memory(Block):
    """What the weights and the KV cache take."""

    weights: tuple[Bytes, ...] = ()
    kv_cache_tokens: Count | None = None


class Total(Block):
    """A start-up time and the place that prints it."""

    value: Seconds
    where: str


class Part(Block):
    """A named part of a start-up."""

    name: str
    value: Seconds


class Startup(Block):
    """Start-up times."""

    eager: Seconds | None = None
    compiled: tuple[Total, ...] = ()
    parts: tuple[Part, ...] = ()


class Answer(Block):
    """One prompt answered at temperature 0."""

    prompt: str
    output: str
    latency: Seconds


class Evidence(Block):
    """The answers, and what the card says of them all."""

    count: Count | None = None
    fastest: Seconds | None = None
    slowest: Seconds | None = None
    cases: tuple[Answer, ...] = ()


class Token(Block):
    """A token as printed."""

    text: str
    id: int


class LogitsRow(Block):
    """One prompt's comparison at its last position."""

    prompt: str
    reference: Token
    candidate: Token
    match: bool
    top5: Share
    cosine: Plain


class LogitsOverall(Block):
    """The averages."""

    top1: Share
    top1_matches: Count | None = None
    top5: Share
    cosine: Plain
    mse: Plain | None = None
    of: Count | None = None
    """Prompts that the averages are over, where the card prints fewer rows than that."""


class Logits(Block):
    """Logits of one device against another."""

    reference: str
    candidate: str
    overall: LogitsOverall
    prompts: tuple[LogitsRow, ...]


class Accuracy(Block):
    """A score on a task: `humaneval` and the names of lm-evaluation-harness."""

    task: str
    value: Score


class Command(Block):
    """A shell command as printed."""

    what: str
    text: str


class Repeated(Block):
    """One thing that the card prints in several places."""

    what: str
    values: tuple[str, ...]
    where: tuple[str, ...]


class Card(Block):
    """All claims of one publication."""

    source: Source
    model: Model | None = None
    environment: Environment | None = None
    settings: Settings = Settings()
    comparison: tuple[Comparison, ...] = ()
    speed: Speed = Speed()
    memory: Memory = Memory()
    startup: Startup = Startup()
    evidence: Evidence = Evidence()
    logits: Logits | None = None
    accuracy: tuple[Accuracy, ...] = ()
    commands: tuple[Command, ...] = ()
    repeated: tuple[Repeated, ...] = ()


def load(path: Path) -> Card:
    """Read a file of claims.

    Raises:
        UserError: one line per mistake: file, line, key, what was found and what is allowed.
    """
    data, marks = load_yaml(path)
    try:
        return Card.model_validate(_tuples(data))
    except ValidationError as error:
        file = shown(path)
        raise UserError("\n".join(mistakes(error, Card, lambda key: f"{file}:{line_of(marks, key)}"))) from None


def _tuples(value: Any) -> Any:
    """YAML's lists as tuples, which strict pydantic models require."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
