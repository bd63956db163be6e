"""Evalpress: measure a causal language model on vLLM and print a report that can be published.

>>> import evalpress
>>> report = evalpress.load("demo")
>>> report.benchmark.modes["eager"].workloads["decode"].output_throughput  # tokens per second
>>> report.frames("benchmark")["speed"]  # any table as a DataFrame
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalpress.core.version import __version__

__all__ = ["__version__", "load"]

if TYPE_CHECKING:
    from evalpress.sections.loading import load


def __getattr__(name: str) -> Any:
    """`load`, imported on first use: the command line needs none of its imports."""
    if name == "load":
        from evalpress.sections.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
