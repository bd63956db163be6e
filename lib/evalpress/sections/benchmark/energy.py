"""Energy of every workload and mode, from the readings beside its blocks."""

from __future__ import annotations

from collections.abc import Sequence

from evalpress.core.plain import Fields
from evalpress.platforms.power import Energy, Meter
from evalpress.sections.benchmark.observations import Block, Blocks


def of_blocks(meters: Sequence[Meter], blocks: Blocks) -> Fields:
    """`energy` and `energy_source` of the results, each with the reason where nothing was read.

    Args:
        meters: one for each group of modes that were measured in turn; a block belongs to the one that covers it.
    """
    reading = [meter for meter in meters if meter.absent is None]
    if not reading:
        why = next((meter.absent for meter in meters if meter.absent), "no workload was run")
        return {"energy": {}, "energy_why": why, "energy_source": None, "energy_source_why": why}
    modes = dict.fromkeys(mode for by_mode in blocks.values() for mode in by_mode)
    found = {mode: {name: _energy(reading, by_mode[mode]) for name, by_mode in blocks.items()} for mode in modes}
    told = {"energy_source": reading[0].source_name, "energy_source_why": None}
    return {"energy": found, "energy_why": None} | told


def _energy(meters: Sequence[Meter], blocks: Sequence[Block]) -> Energy:
    spans = [(block.began, block.began + block.duration) for block in blocks if block.began is not None]
    covering = [meter for meter in meters if spans and meter.series.times[0] <= spans[0][0] <= meter.series.times[-1]]
    tokens = sum(one.output_tokens for block in blocks for one in block.requests)
    return (covering or meters)[0].series.energy(spans, tokens)
