"""Blocks of a params file about the model, its platform and its engine; types that all blocks use."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from evalpress.core.plain import Json

EAGER, COMPILED = "eager", "compiled"
Mode = str
"""`eager`, `compiled`, or a name of `engine.variants`."""
_VARIANT = re.compile(r"[a-z][a-z0-9_]{0,23}")
_RESERVED = ("eager", "compiled", "running")
SectionName = Literal["setup", "benchmark", "serving", "evidence", "alignment", "quality"]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_ITS_OWN = {
    "model": "model.path",
    "revision": "model.revision",
    "trust_remote_code": "model.trust_remote_code",
    "enforce_eager": "engine.modes",
    "kv_cache_memory_bytes": "engine.kv_cache_gib",
    **{
        key: f"engine.{key}"
        for key in (
            *("dtype", "max_model_len", "gpu_memory_utilization", "max_num_seqs", "seed", "compilation_config"),
            *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "distributed_executor_backend"),
        )
    },
}
"""Keywords of LLM(...) that a parameter gives: set in `extra`, they would make the report name another value."""
_NEEDED = ("max_logprobs", "logprobs_mode", "disable_log_stats")
"""Keywords without which a report has no logits and no times."""


def _further(given: Json) -> Json:
    """`extra` without keywords that have a place of their own."""
    for key in given:
        if key in _OF_ITS_OWN:
            raise ValueError(
                f"found {key!r}, allowed keywords without a parameter of their own: set {_OF_ITS_OWN[key]}"
            )
        if key in _NEEDED:
            raise ValueError(f"found {key!r}, which the report sets itself")
    return given


Further = Annotated[Json, AfterValidator(_further)]


class Block(BaseModel):
    """A block of a params file: frozen, strict types (no `"1"` for 1), no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=(), allow_inf_nan=False)


class ModelParams(Block):
    """Which model, where it comes from and what it is."""

    path: str
    """A folder (relative to the params file, then to the project), a GGUF file, a hub name or a ModelScope name."""
    recipe: str | None = None
    """A recipe of `evalpress model`, run where the folder is missing."""
    source: Literal["auto", "folder", "huggingface", "modelscope"] = "auto"
    revision: str | None = None
    name: str | None = None
    """The name that the report uses; by default the last part of `path`."""
    trust_remote_code: bool = False
    weights: Literal["trained", "random"] = "trained"
    """`random`: only config.json is there, the engine draws dummy weights; what needs trained ones is skipped."""
    base_model: bool | None = None
    """True for a base (completion) model; None: one without a chat template is taken for a base model."""
    instruct_model: str | None = None
    """The instruction-tuned variant that the report names when the model is a base model."""

    @property
    def shown(self) -> str:
        return self.name or self.path.rstrip("/").split("/")[-1]


class PlatformParams(Block):
    """The device that the set is meant for."""

    backend: Literal["cpu", "cuda", "ascend"]
    preload: bool = True
    """CPU only: preload tcmalloc and Intel's OpenMP for the engine where they are installed."""
    energy: bool = True
    """Read power, utilisation and temperature beside workloads and load, where the device's tools report them."""


class Variant(Block):
    """One way of compiling, a mode of its own beside eager."""

    compilation_config: Json = {}
    """Passed to vLLM as it is, in place of `engine.compilation_config`."""
    extra: Further = {}
    """Further keywords of vLLM's LLM(...) for this variant, over those of `engine.extra`."""


class EngineParams(Block):
    """Arguments of the vLLM engine, under vLLM's own names."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    max_model_len: PositiveInt = 2048
    gpu_memory_utilization: Share | None = None
    kv_cache_gib: Annotated[float, Field(gt=0)] | None = None
    """Size of the KV cache in GiB; None: what `gpu_memory_utilization` leaves."""
    max_num_seqs: PositiveInt | None = None
    tensor_parallel_size: PositiveInt = 1
    pipeline_parallel_size: PositiveInt = 1
    data_parallel_size: PositiveInt = 1
    distributed_executor_backend: Literal["mp", "ray", "uni", "external_launcher"] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    modes: tuple[Mode, ...] = (EAGER, COMPILED)
    """Each is loaded and measured; with `variants` and without `modes`: eager and every variant."""
    resident: Literal["both", "one"] = "both"
    """`both`: both engines are loaded at the same time and blocks alternate; `one`: one after the other."""
    in_process: bool | None = None
    """Engine core in the kernel's process; None: yes on CPU with one worker, no elsewhere."""
    compilation_config: Json = {}
    """Passed to vLLM as it is, in compiled mode only."""
    variants: dict[str, Variant] = {}
    """More than one way of compiling: name -> its compilation; each name is a mode as `eager` and `compiled` are."""
    extra: Further = {}
    """Any further keyword of vLLM's LLM(...), passed as it is."""
    env: dict[str, str] = {}
    """Environment variables set before vLLM is imported."""

    @model_validator(mode="after")
    def _modes(self) -> EngineParams:
        if not self.modes or len(set(self.modes)) != len(self.modes):
            raise ValueError("modes: name each mode at most once, and at least one")
        return self

    @field_validator("variants")
    @classmethod
    def _names_of_modes(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        for name in variants:
            if name in _RESERVED or not _VARIANT.fullmatch(name):
                allowed = "up to 24 small letters, digits and underscores, the first a letter"
                raise ValueError(f"found {name[:40]!r}, allowed {allowed}; none of {', '.join(_RESERVED)}")
        return variants

    @field_validator("env")
    @classmethod
    def _variables(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"found {name[:40]!r}, allowed letters, digits and underscores, the first no digit")
            if "\0" in value:
                raise ValueError(f"{name}: found a NUL character, which no variable can hold")
        return env

    @property
    def known_modes(self) -> tuple[Mode, ...]:
        """Every mode that this set can name."""
        return (EAGER, COMPILED, *self.variants)
