"""How results are drawn. Every function takes a results document and returns a `Figure` with its words.

A value that is null is left out of the picture and named in the caption.
"""

from __future__ import annotations

from evalpress.figures.agreement import category_bars, prompt_agreement
from evalpress.figures.layers import layer_errors
from evalpress.figures.profiles import profile_by_margin, profile_by_position
from evalpress.figures.scaling import ceilings, scaling
from evalpress.figures.serving import offered_load, throughput_latency
from evalpress.figures.speed import eager_vs_compiled, latency_distribution, throughput_bars
from evalpress.figures.startup import startup_phases
from evalpress.figures.style import Figure

__all__ = [
    "Figure", "category_bars", "ceilings", "eager_vs_compiled", "latency_distribution", "layer_errors",
    "offered_load", "profile_by_margin", "profile_by_position", "prompt_agreement", "scaling", "startup_phases",
    "throughput_bars", "throughput_latency",
]  # fmt: skip
