"""Energy of every load on the servers, from the readings beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalpress.core.plain import Fields
from evalpress.params.schema import Params
from evalpress.platforms import power_sources
from evalpress.platforms.power import Meter
from evalpress.sections.serving.point import Repeat
from evalpress.sections.serving.results import LoadEnergy

_ELSEWHERE = "the server was already running: it may be on another host"


def meter(params: Params) -> Meter:
    """A meter of the device that this suite's own servers use."""
    if params.serving.base_url:
        return Meter(None, _ELSEWHERE)
    return power_sources.meter(params.platform.backend, wanted=params.platform.energy)


def of_loads(read: Meter, repeats: Mapping[tuple[str, str], Sequence[Repeat]]) -> tuple[LoadEnergy, ...]:
    """One row per server and point, in the order in which they were first loaded; empty where nothing was read."""
    if read.absent is not None:
        return ()
    rows = []
    for (mode, load), runs in repeats.items():
        if runs[-1].load.began + runs[-1].load.seconds > read.series.times[-1]:
            continue  # the search for the highest rate, after the meter had ended
        spans = [(run.load.began, run.load.began + run.load.seconds) for run in runs]
        found = read.series.energy(spans, sum(one.output_tokens for run in runs for one in run.observations))
        rows.append(LoadEnergy(mode=mode, load=load, **found.model_dump()))
    return tuple(rows)


def described(meters: Sequence[Meter]) -> Fields:
    """`energy_source` of the results, with the reason where nothing was read."""
    reading = next((one for one in meters if one.absent is None), None)
    if reading is not None:
        return {"energy_source": reading.source_name, "energy_source_why": None, "energy_why": None}
    why = next((one.absent for one in meters), "no load was put on a server")
    return {"energy_source": None, "energy_source_why": why, "energy_why": why}
