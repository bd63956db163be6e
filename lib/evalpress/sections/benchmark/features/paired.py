"""The same greedy requests on an engine without and on one with a feature, run by run in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from evalpress import engine
from evalpress.core import stats
from evalpress.core.floats import spacing
from evalpress.core.progress import step
from evalpress.engine import Engine, Sampling
from evalpress.engine.counters import Counters
from evalpress.params.schema import Mode, Params
from evalpress.sections.benchmark.features.observations import Drafted, Paired, Run
from evalpress.sections.benchmark.features.results import Difference, Outputs, Speed

S = TypeVar("S")
PLAIN, OTHER = "plain", "other"
_ROUNDING_STEPS = 2
"""Two logits that rounding moves by up to one step each can change places when they are at most two steps apart."""


@dataclass(frozen=True)
class Load:
    """Requests of one kind: prompts as token ids."""

    prompts: list[list[int]]
    output_len: int
    together: bool
    """All at once; False: one after the other."""


@dataclass
class Measured(Generic[S]):
    """What came of both engines."""

    runs: dict[str, dict[str, list[Run]]]
    """load -> engine (`plain`, `other`) -> runs."""
    counted: dict[str, Counters]
    """load -> what the engine with the feature counted over its runs."""
    seen: dict[str, S] = field(default_factory=dict)
    """engine -> what `look` saw of it after its runs."""

    def paired(self, name: str, load: Load, plain: Callable[[], Engine], dtype: str) -> Paired:
        """One load's runs, with the differences of their outputs judged.

        Args:
            plain: gives the engine without the feature, asked only where outputs differ.
            dtype: the engine's.
        """
        found, counted = self.runs[name], self.counted[name]
        return Paired(
            plain=tuple(found[PLAIN]),
            other=tuple(found[OTHER]),
            drafted=Drafted(**{key: getattr(counted, key) for key in Drafted.model_fields}),
            outputs=outputs(plain, load.prompts, found[PLAIN], found[OTHER], dtype),
        )


def measure(
    params: Params,
    mode: Mode,
    changed: Mapping[str, Any],
    loads: Mapping[str, Load],
    repeats: int,
    look: Callable[[Engine], S],
) -> Measured[S]:
    """Run every load `repeats` times on both engines, after one run that is not kept.

    Where memory holds both engines they take turns, and the one that is first alternates; elsewhere all runs without
    the feature come first.

    Args:
        changed: keywords of vLLM's `LLM(...)` that switch the feature on.
        look: called with each engine after its runs.

    Raises:
        MeasurementError: vLLM refuses the feature, with its reason, or an engine fails.
    """
    found: Measured[S] = Measured({n: {PLAIN: [], OTHER: []} for n in loads}, {n: Counters() for n in loads})
    together = engine.engines_together(params)
    plain = engine.get(params, mode)
    if not together:
        _rounds({PLAIN: plain}, loads, repeats, found, look)
    with engine.fresh(params, mode, **changed) as other:
        _rounds({PLAIN: plain, OTHER: other} if together else {OTHER: other}, loads, repeats, found, look)
    return found


def _rounds(
    engines: Mapping[str, Engine],
    loads: Mapping[str, Load],
    repeats: int,
    found: Measured[S],
    look: Callable[[Engine], S],
) -> None:
    for repeat in range(-1, repeats):
        for name, load in loads.items():
            turn = f"repeat {repeat + 1} of {repeats}" if repeat >= 0 else "warm-up"
            step(f"features: {name}, {turn}")
            for which in list(engines) if repeat % 2 == 0 else reversed(list(engines)):
                before = replace(engines[which].counters)
                done = run(engines[which], load)
                if repeat < 0:
                    continue
                found.runs[name][which].append(done)
                if which == OTHER:
                    found.counted[name] = found.counted[name].plus(engines[which].counters.since(before))
    found.seen |= {which: look(loaded) for which, loaded in engines.items()}


def run(loaded: Engine, load: Load) -> Run:
    """The load once, greedy, with the end of a text ignored."""
    sampling = Sampling(max_tokens=load.output_len, ignore_eos=True)
    groups = [load.prompts] if load.together else [[prompt] for prompt in load.prompts]
    outputs: list[tuple[int, ...]] = []
    began = time.perf_counter()
    for group in groups:
        outputs += [done.token_ids for done in loaded.generate(group, sampling)]
    return Run(duration=time.perf_counter() - began, outputs=tuple(outputs))


def speed(observed: Paired) -> Speed:
    """Output tokens per second of both engines, and the paired ratio with / without."""
    plain, other = ([_rate([one]) for one in runs] for runs in (observed.plain, observed.other))
    ratio = stats.paired_ratio(other, plain)
    return Speed(
        plain_tok_s=_rate(observed.plain),
        feature_tok_s=_rate(observed.other),
        ratio=ratio.ratio,
        ci_low=ratio.ci_low,
        ci_low_why=ratio.interval_why,
        ci_high=ratio.ci_high,
        ci_high_why=ratio.interval_why,
        n_pairs=ratio.n_pairs,
    )


def _rate(runs: Sequence[Run]) -> float:
    return sum(len(output) for one in runs for output in one.outputs) / sum(one.duration for one in runs)


def outputs(
    plain: Callable[[], Engine],
    prompts: Sequence[Sequence[int]],
    without: Sequence[Run],
    with_it: Sequence[Run],
    dtype: str,
) -> Outputs:
    """How many outputs are the same token by token, and each first difference with the plain engine's own logits.

    A difference is within the rounding of the engine's dtype where both tokens' raw logits are at most two steps of
    that dtype below the best: another order of the same sums decides between them.
    """
    pairs = [
        (n, a, b)
        for before, after in zip(without, with_it, strict=True)
        for n, (a, b) in enumerate(zip(before.outputs, after.outputs, strict=True))
    ]
    parted = [(n, first_difference(a, b), a, b) for n, a, b in pairs if a != b]
    unique = {(n, at, a[at], b[at]): [*prompts[n], *a[:at]] for n, at, a, b in parted}
    return Outputs(
        identical=len(pairs) - len(parted),
        of=len(pairs),
        differences=tuple(_judged(plain(), *key, text, dtype) for key, text in unique.items()),
    )


def first_difference(a: Sequence[int], b: Sequence[int]) -> int:
    """The first place at which two outputs of one length differ."""
    return next(at for at, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)


def _judged(loaded: Engine, request: int, at: int, token: int, other: int, text: list[int], dtype: str) -> Difference:
    (row,) = loaded.logits(text, [len(text) - 1])
    best = float(np.nanmax(row))
    gap, between = best - float(min(row[token], row[other])), float(spacing(best, dtype))
    return Difference(
        request=request,
        position=at,
        token=token,
        other_token=other,
        shortfall=gap,
        spacing=between,
        verdict="within_rounding" if gap <= _ROUNDING_STEPS * between else "unexplained",
    )
