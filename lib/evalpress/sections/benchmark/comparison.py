"""Compiled against eager, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from evalpress.core import stats
from evalpress.core.results import nulls
from evalpress.sections.benchmark import metrics
from evalpress.sections.benchmark.observations import Block
from evalpress.sections.benchmark.results import Better, IdenticalTokens, PairedMetric

COMPARED: dict[str, Better] = {
    "output_throughput": "higher",
    "request_throughput": "higher",
    "mean_ttft_ms": "lower",
    "mean_tpot_ms": "lower",
    "mean_e2el_ms": "lower",
}
"""Compared figures and which way is better."""


def compare(eager: Sequence[Block], compiled: Sequence[Block]) -> dict[str, PairedMetric]:
    """Paired comparison of one workload, metric by metric; the blocks of both modes are pairs in their order.

    The ratio is compiled / eager: the geometric mean of the blocks' paired ratios, with a Student-t interval on the
    logarithms. Fewer than `stats.MIN_PAIRS` pairs have no interval.
    """
    pairs = [(metrics.figures([e]), metrics.figures([c])) for e, c in zip(eager, compiled, strict=True)]
    means = metrics.figures(eager), metrics.figures(compiled)
    out = {}
    for metric, better in COMPARED.items():
        values = [(getattr(e, metric), getattr(c, metric)) for e, c in pairs]
        if any(e is None or c is None for e, c in values):
            why = f"{metric} was not observed in every block"
            keys = ("eager", "compiled", "ratio", "ci_low", "ci_high")
            out[metric] = PairedMetric(**nulls(keys, why), n_pairs=0, better=better)
            continue
        ratio = stats.paired_ratio([c for _, c in values], [e for e, _ in values])
        out[metric] = PairedMetric(
            eager=getattr(means[0], metric),
            compiled=getattr(means[1], metric),
            **asdict(ratio),
            ci_low_why=ratio.interval_why,
            ci_high_why=ratio.interval_why,
            better=better,
        )
    return out


def identical_tokens(eager: Sequence[Block], compiled: Sequence[Block]) -> IdenticalTokens:
    """Requests whose generated tokens are the same in both modes."""
    pairs = [
        (a.tokens_sha256, b.tokens_sha256)
        for e, c in zip(eager, compiled, strict=True)
        for a, b in zip(e.requests, c.requests, strict=True)
    ]
    return IdenticalTokens(identical=sum(a == b for a, b in pairs), of=len(pairs))
