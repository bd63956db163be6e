"""The only package that imports vLLM: load in a mode, generate, read timings and start-up phases, serve."""

from evalpress.engine.answers import Completion, Sampling
from evalpress.engine.cold import load as load_cold_start
from evalpress.engine.core import Engine
from evalpress.engine.loader import fresh, get, make_room, release, reload
from evalpress.engine.memory import activation_peak
from evalpress.engine.memory_plan import (
    engines_together,
    pairing,
    reader_bytes,
    require_server,
    servers_fit,
    servers_together,
)
from evalpress.engine.start import import_vllm, supported_architectures
from evalpress.engine.startup import EMPTY

__all__ = [
    "EMPTY", "Completion", "Engine", "Sampling", "activation_peak", "engines_together", "fresh", "get", "import_vllm",
    "load_cold_start", "make_room", "pairing", "reader_bytes", "release", "reload", "require_server", "servers_fit",
    "servers_together", "supported_architectures",
]  # fmt: skip
