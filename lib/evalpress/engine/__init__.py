"""The only room that imports vLLM: load in a mode, generate, read timings and start-up phases, serve."""

from evalpress.engine.cold import kept as cold_start
from evalpress.engine.core import Completion, Engine, Sampling
from evalpress.engine.loader import fresh, get, import_vllm, release, reload, supported_architectures
from evalpress.engine.memory import activation_peak
from evalpress.engine.startup import EMPTY

__all__ = [
    "EMPTY", "Completion", "Engine", "Sampling", "activation_peak", "cold_start", "fresh", "get", "import_vllm",
    "release", "reload", "supported_architectures",
]  # fmt: skip
