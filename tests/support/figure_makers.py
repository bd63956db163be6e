"""Every figure of the suite with a document that it can draw."""

from __future__ import annotations

import samples
import serving_samples
from evalpress.sections.alignment.agreement_figure import prompt_agreement
from evalpress.sections.alignment.layer_figure import layer_errors
from evalpress.sections.alignment.profile_figures import profile_by_margin, profile_by_position
from evalpress.sections.benchmark.figures import eager_vs_compiled, latency_distribution, throughput_bars
from evalpress.sections.benchmark.scaling_figures import peak_rates, scaling
from evalpress.sections.benchmark.startup_figure import startup_phases
from evalpress.sections.quality.figures import category_bars
from evalpress.sections.serving.figures import offered_load, throughput_latency

MAKERS = {
    "eager_vs_compiled": (eager_vs_compiled, samples.benchmark),
    "throughput_bars": (throughput_bars, samples.benchmark),
    "latency_distribution": (latency_distribution, samples.benchmark),
    "startup_phases": (startup_phases, samples.benchmark),
    "scaling": (scaling, samples.benchmark),
    "peak_rates": (peak_rates, samples.benchmark),
    "prompt_agreement": (prompt_agreement, samples.alignment),
    "profile_by_position": (profile_by_position, samples.alignment),
    "profile_by_margin": (profile_by_margin, samples.alignment),
    "layer_errors": (layer_errors, samples.alignment),
    "throughput_latency": (throughput_latency, serving_samples.document),
    "offered_load": (offered_load, serving_samples.document),
    "category_bars": (category_bars, samples.quality),
}
