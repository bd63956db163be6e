"""Every part that a set switches on under `benchmark.features`, each with the engine's reason where it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from evalpress import engine
from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Json
from evalpress.engine import Engine
from evalpress.model import ArchitectureFacts
from evalpress.params.schema import Mode, Params, Workload
from evalpress.sections.benchmark import random_prompts, roofline
from evalpress.sections.benchmark.block import vocabulary
from evalpress.sections.benchmark.features import depth, kv_cache, prefix_hits, speculation
from evalpress.sections.benchmark.features.observations import DepthRuns, KvCacheRuns, PrefixRequests, SpeculationRuns
from evalpress.sections.benchmark.features.results import OFF, Features, KvCache
from evalpress.sections.benchmark.results import PeakRates

T = TypeVar("T")
PARTS = ("depth", "prefix_cache", "speculation")


@dataclass
class Observed:
    """Raw observations by part; a text is why there are none."""

    mode: Mode
    depth: DepthRuns | str = OFF
    prefix_cache: PrefixRequests | str = OFF
    speculation: SpeculationRuns | str = OFF
    kv_cache: dict[str, KvCacheRuns | str] = field(default_factory=dict)

    def raw(self) -> Json:
        """As JSON values; parts without observations are left out."""
        found: Json = {}
        for part in PARTS:
            runs = getattr(self, part)
            if not isinstance(runs, str):
                found[part] = runs.model_dump(mode="json")
        kept = {n: one.model_dump(mode="json") for n, one in self.kv_cache.items() if not isinstance(one, str)}
        return found | ({"kv_cache": kept} if kept else {})


def run(params: Params) -> Observed | None:
    """Measure the parts one after the other; None where the set asks for none.

    A part that vLLM refuses, or that fails, is a reason in its place and stops no other.
    """
    wanted = params.benchmark.features
    if not wanted.wanted:
        return None
    mode = wanted.mode or params.engine.modes[-1]
    draw = _draw(params, engine.get(params, mode))
    found = Observed(mode)
    if wanted.depth or wanted.prefix_cache:
        _cached(params, found, draw)
    if spec := wanted.speculation:
        found.speculation = _or_reason(partial(speculation.run, params, mode, spec, draw))
    if kv := wanted.kv_cache:
        for dtype in kv.dtypes:
            found.kv_cache[dtype] = _or_reason(partial(kv_cache.run, params, mode, kv, dtype, draw))
    return found


def _cached(params: Params, found: Observed, draw: depth.Draw) -> None:
    """Depth and prefix hits, on one engine with prefix caching."""
    wanted = params.benchmark.features
    try:
        with engine.fresh(params, found.mode, enable_prefix_caching=True) as loaded:
            if near := wanted.depth:
                found.depth = _or_reason(partial(depth.run, loaded, near, draw))
            if shared := wanted.prefix_cache:
                found.prefix_cache = _or_reason(partial(prefix_hits.run, loaded, shared, draw))
    except MeasurementError as error:
        found.depth = str(error) if wanted.depth else OFF
        found.prefix_cache = str(error) if wanted.prefix_cache else OFF


def _or_reason(measure: Callable[[], T]) -> T | str:
    try:
        return measure()
    except MeasurementError as error:
        return str(error)


def _draw(params: Params, loaded: Engine) -> depth.Draw:
    """Random token ids of the engine's vocabulary, by the set's seed."""
    size, reserved = vocabulary(loaded)

    def draw(tokens: int, number: int) -> list[int]:
        load = Workload(num_prompts=1, input_len=tokens, output_len=1)
        (found,) = random_prompts.prompts(load, size, params.engine.seed, "features", number, reserved)
        return found

    return draw


def report(params: Params, facts: ArchitectureFacts, observed: Observed, peaks: PeakRates | None) -> Features:
    """The results of all parts from raw observations; loads nothing."""
    wanted = params.benchmark.features
    found: Json = {"mode": observed.mode, "kv_cache": {}}
    if wanted.depth and not isinstance(observed.depth, str):
        found["depth"] = depth.report(wanted.depth, observed.depth, facts, peaks, roofline.devices(params, 1))
    if wanted.prefix_cache and not isinstance(observed.prefix_cache, str):
        found["prefix_cache"] = prefix_hits.report(wanted.prefix_cache, observed.prefix_cache)
    if wanted.speculation and not isinstance(observed.speculation, str):
        found["speculation"] = speculation.report(wanted.speculation, observed.speculation)
    for part in PARTS:
        if part not in found:
            found |= {part: None, f"{part}_why": getattr(observed, part)}
    for dtype, one in observed.kv_cache.items():
        if isinstance(one, str):
            found["kv_cache"][dtype] = KvCache(figures=None, figures_why=one)
        else:
            found["kv_cache"][dtype] = KvCache(figures=kv_cache.report(one))
    return Features(**found)
