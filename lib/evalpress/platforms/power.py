"""Power, utilisation and temperature of the device beside a measurement, and the energy that it took.

A meter reads the platform's own tool repeatedly in a thread: npu-smi on Ascend, NVML on CUDA, the RAPL counters of
the processor on CPU. Where a tool counts energy, two readings give it exactly; where it tells power, the energy is the
integral of the straight lines between readings. Either way nothing is known between two readings: their distance is
the resolution, and a measurement that is not much longer has no figure.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from pydantic import Field

from evalpress.core.plain import Fields
from evalpress.core.results import Model, nulls

NOT_READ = "measured by a release that read no power"
FEWEST_READINGS = 5
"""A total time shorter than this many times the resolution has no figure of energy."""
_KEYS = ("joules", "j_per_output_token", "output_tok_s_per_w", "mean_w")
_SILENT = 3
"""After this many failed readings in a row the meter stops."""


class Energy(Model):
    """Energy of one load, idle power included: of the whole device, with all programs that used it."""

    joules: float | None
    joules_why: str | None = None
    j_per_output_token: float | None
    j_per_output_token_why: str | None = None
    output_tok_s_per_w: float | None = Field(description="output tokens per second and watt, equal to tokens per joule")
    output_tok_s_per_w_why: str | None = None
    mean_w: float | None = Field(description="mean power, watts")
    mean_w_why: str | None = None
    utilisation_percent: float | None = Field(description="mean over readings, as the device's tool defines it")
    utilisation_percent_why: str | None = None
    temperature_max_c: float | None = Field(description="highest reading, degrees Celsius")
    temperature_max_c_why: str | None = None
    seconds: float = Field(description="time of the load")
    readings: int = Field(description="readings during the load")
    resolution_s: float | None = Field(description="median time between two readings")
    resolution_s_why: str | None = None


@dataclass(frozen=True)
class Reading:
    """One reading of a source. `joules` is a counter's value since any moment, `watts` a power; a source has one.

    None where the source does not tell it.
    """

    joules: float | None = None
    watts: float | None = None
    utilisation_percent: float | None = None
    temperature_c: float | None = None


class Source(Protocol):
    """Where readings come from."""

    name: str
    """What is read, in words for the report."""
    period_s: float
    """Seconds between two readings, without the time of a reading itself."""

    def read(self) -> Reading:
        """One reading.

        Raises:
            OSError, ValueError, RuntimeError: the tool did not answer, or with something else.
        """
        ...


Span = tuple[float, float]
"""Begin and end on this process's monotonic clock (`time.monotonic`), in seconds."""


@dataclass
class Series:
    """Readings with the moments at which they were taken."""

    times: list[float] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    def add(self, at: float, reading: Reading) -> None:
        """Append one reading, which is later than those before it."""
        self.times.append(at)
        self.readings.append(reading)

    @property
    def resolution_s(self) -> float | None:
        """Median time between two readings; None for fewer than two."""
        gaps = [b - a for a, b in itertools.pairwise(self.times)]
        return statistics.median(gaps) if gaps else None

    def joules(self) -> list[float] | None:
        """Energy from the first reading to each; None where a reading has neither counter nor power."""
        counters = [one.joules for one in self.readings]
        known = [value for value in counters if value is not None]
        if known and len(known) == len(counters):
            return [value - known[0] for value in known]
        powers = [one.watts for one in self.readings if one.watts is not None]
        if not powers or len(powers) < len(self.readings):
            return None
        steps = [(b - a) * (v + w) / 2 for (a, b), (v, w) in zip(
            itertools.pairwise(self.times), itertools.pairwise(powers), strict=True)]  # fmt: skip
        return list(itertools.accumulate(steps, initial=0.0))

    def energy(self, spans: Sequence[Span], output_tokens: float) -> Energy:
        """Energy of the spans together.

        Args:
            output_tokens: generated in the spans.
        """
        seconds = sum(end - begin for begin, end in spans)
        inside = [
            one
            for at, one in zip(self.times, self.readings, strict=True)
            if any(begin <= at <= end for begin, end in spans)
        ]
        resolution = self.resolution_s
        found: Fields = {"seconds": seconds, "readings": len(inside), "resolution_s": resolution}
        if resolution is None:
            found["resolution_s_why"] = "fewer than two readings"
        found |= _mean("utilisation_percent", [one.utilisation_percent for one in inside], statistics.fmean)
        found |= _mean("temperature_max_c", [one.temperature_c for one in inside], max)
        total = self.joules()
        why = self._no_figure(spans, seconds, resolution)
        if why or total is None:
            return Energy(**found, **nulls(_KEYS, why or "the device's tool tells no power here"))
        joules = sum(_at(self.times, total, end) - _at(self.times, total, begin) for begin, end in spans)
        found |= {"joules": joules, "mean_w": joules / seconds}
        if output_tokens > 0 and joules > 0:
            found |= {"j_per_output_token": joules / output_tokens, "output_tok_s_per_w": output_tokens / joules}
            return Energy(**found)
        why = "no token was generated" if output_tokens <= 0 else "the counter did not move"
        return Energy(**found, **nulls(("j_per_output_token", "output_tok_s_per_w"), why))

    def _no_figure(self, spans: Sequence[Span], seconds: float, resolution: float | None) -> str | None:
        """Why these spans have no figure of energy; None where they have one."""
        if resolution is None or not spans:
            return "fewer than two readings"
        if seconds < FEWEST_READINGS * resolution:
            needed = FEWEST_READINGS * resolution
            return f"{seconds:.3g} s in all, a reading every {resolution:.2g} s: {needed:.2g} s are needed"
        if seconds / len(spans) < resolution:
            mean = seconds / len(spans)
            return f"parts of {mean:.2g} s, a reading every {resolution:.2g} s: no reading belongs to one part"
        if spans[0][0] < self.times[0] or spans[-1][1] > self.times[-1]:
            return "the readings do not cover the whole load"
        return None


def _mean(key: str, values: Sequence[float | None], of: Callable[[list[float]], float]) -> Fields:
    known = [value for value in values if value is not None]
    why = "the device's tool does not tell it" if values else "no reading during the load"
    return {key: of(known)} if known else {key: None, f"{key}_why": why}


def _at(times: Sequence[float], values: Sequence[float], at: float) -> float:
    """The value at a moment, on the straight line between the readings around it."""
    right = next((index for index, time_ in enumerate(times) if time_ >= at), len(times) - 1)
    left = max(right - 1, 0)
    width = times[right] - times[left]
    return values[right] if width <= 0 else values[left] + (values[right] - values[left]) * (at - times[left]) / width


class Meter:
    """Reads a source in a thread for the length of a `with` block; without a source `why` gives the reason."""

    def __init__(self, source: Source | None, why: str = "") -> None:
        self.source, self.why = source, why
        self.series = Series()
        self._failures = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="power meter", daemon=True)

    def __enter__(self) -> Meter:
        if self.source is not None:
            self._read()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self.source is not None:
            self._thread.join()
            self._read()

    def _run(self) -> None:
        assert self.source is not None
        while not self._end.wait(self.source.period_s) and self._failures < _SILENT:
            self._read()

    def _read(self) -> None:
        """One reading, dated in the middle of the time that it took."""
        assert self.source is not None
        began = time.monotonic()
        try:
            reading = self.source.read()
        except (OSError, ValueError, RuntimeError) as error:
            self._failures += 1
            self.why = f"{self.source.name} did not answer: {str(error).splitlines()[0] if str(error) else error!r}"
            return
        self._failures = 0
        self.series.add((began + time.monotonic()) / 2, reading)

    @property
    def source_name(self) -> str | None:
        """What is read, in words; None for a meter that reads nothing."""
        return self.source.name if self.source is not None else None

    @property
    def absent(self) -> str | None:
        """Why nothing was read; None where there are readings."""
        return None if len(self.series.times) > 1 else self.why or "fewer than two readings"
