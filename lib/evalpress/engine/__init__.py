"""The only room that imports vLLM: load in a mode, generate, read timings and start-up phases, serve."""

from evalpress.engine.core import Completion, Engine, Sampling
from evalpress.engine.loader import fresh, get, import_vllm, release, supported_architectures

__all__ = ["Completion", "Engine", "Sampling", "fresh", "get", "import_vllm", "release", "supported_architectures"]
