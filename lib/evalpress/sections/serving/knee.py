"""The knee of the load curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalpress.sections.serving.points import Level
from evalpress.sections.serving.results import Knee, Saturation

_ENOUGH = 3
_FEW = f"a knee needs {_ENOUGH} levels of serving.concurrency"


def knees(levels: Sequence[Level], peak: Mapping[str, Saturation]) -> tuple[dict[str, Knee] | None, str | None]:
    """Each mode's level with the highest power, or the reason (Kleinrock, Power and deterministic rules, ICC 1979).

    Levels where the client was the bottleneck do not count.
    """
    found: dict[str, Knee] = {}
    for mode in dict.fromkeys(level.mode for level in levels):
        own = sorted(
            (one for one in levels if one.mode == mode and not one.client_bound), key=lambda one: one.concurrency
        )
        power = [one.request_throughput / one.mean_e2el_ms if one.mean_e2el_ms else 0.0 for one in own]
        if len(own) < _ENOUGH or max(power) == 0.0:
            continue
        index = power.index(max(power))
        best = own[index]
        if best.mean_ttft_ms is None or best.mean_e2el_ms is None:
            continue
        found[mode] = Knee(
            concurrency=best.concurrency,
            request_throughput=best.request_throughput,
            output_throughput=best.output_throughput,
            mean_ttft_ms=best.mean_ttft_ms,
            mean_e2el_ms=best.mean_e2el_ms,
            share_of_saturation=best.request_throughput / peak[mode].request_throughput,
            at_end=index in (0, len(own) - 1),
        )
    return (found, None) if found else (None, _FEW)
