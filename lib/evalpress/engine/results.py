"""What loading an engine showed: start-up by phase, memory, compilation."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from evalpress.core.plain import Json
from evalpress.core.results import Model


class _FromEngine(Model):
    """What the engine reports; a newer version may report more than is named here."""

    model_config = ConfigDict(extra="allow")


class Startup(_FromEngine):
    """One start of an engine by phase, in seconds; the phases and `unaccounted_s` add up to `total_s`."""

    import_s: float
    config_s: float = Field(description="first resolution of the engine's configuration in the process")
    engine_init_s: float | None = Field(description="until the engine core begins to load the model")
    engine_init_s_why: str | None = None
    load_weights_s: float | None
    load_weights_s_why: str | None = None
    compile_s: float | None
    compile_s_why: str | None = None
    graph_capture_s: float | None
    graph_capture_s_why: str | None = None
    kv_cache_s: float | None = Field(description="allocation of the KV cache and first step")
    kv_cache_s_why: str | None = None
    total_s: float
    unaccounted_s: float | None = Field(description="what no line of the log explains")
    unaccounted_s_why: str | None = None
    captured_graphs: int
    cold: bool = Field(description="whether this start compiled rather than loaded from the compile cache")
    compile_cache: str = Field(description="what this start found in the compile cache, in words")
    second_in_process: bool | None = None
    """True for an engine that was started once more in the process that had filled the compile cache."""
    measured: str | None = None
    """When an earlier run measured it (ISO-8601, UTC); absent for a start of this run."""
    host: Json | None = None
    """Where an earlier run measured it."""


class Memory(_FromEngine):
    """What an engine holds, GiB of all its ranks together."""

    model_weights_gib: float | None
    model_weights_gib_why: str | None = None
    weights_source: str | None = None
    kv_cache_gib: float | None
    kv_cache_gib_why: str | None = None
    kv_cache_tokens: int | None
    kv_cache_tokens_why: str | None = None
    max_concurrency: float | None = Field(description="requests of the model's length that the KV cache holds")
    max_concurrency_why: str | None = None
    graph_capture_gib: float | None
    graph_capture_gib_why: str | None = None
    activation_peak_gib: float | None
    activation_peak_gib_why: str | None = None
    activation_tokens: int | None = Field(description="prompt tokens of the prefill of that peak")
    activation_tokens_why: str | None = None
    activation_source: str | None
    activation_source_why: str | None = None


class Compilation(_FromEngine):
    """What a mode compiles and captures, from the engine's configuration and log."""

    mode: str
    backend: str
    cudagraph_mode: str
    capture_sizes: tuple[int, ...]
    splitting_ops: tuple[str, ...]
    dynamo_s: float | None
    dynamo_s_why: str | None = None
    backend_compile_s: float | None
    backend_compile_s_why: str | None = None
