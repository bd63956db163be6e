"""Lines of a vLLM log: when each was printed, by which process, and the numbers in them.

A log reaches the suite in two ways: as lines with arrival times, where the suite started the engine itself, or as a
file that was written elsewhere. Lines of a file may begin with seconds and a tab, with a container runtime's ISO time,
or carry vLLM's own clock (`INFO 04-10 08:00:01`, whole seconds, no year).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

Line = tuple[float, str]
"""Seconds on some clock, and the text without that time."""

Figures = dict[str, float | str | None]
"""Figures of a start under the keys of the results files (bool and int among the numbers); the reason of a None under
`<key>_why`."""

NUMBER = r"(-?[0-9][0-9,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|(?:\^\[)?\[[0-9;]+m")
"""Colours and links of a terminal; colours also where their first byte was lost, as in texts that were pasted."""
_SECONDS = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\t(.*)$", re.DOTALL)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?")
_CLOCK = re.compile(r"\b[A-Z]+ (\d\d-\d\d) (\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?\b")
_PROCESS = re.compile(r"((?:\([^()]*pid=[^()]*\)\s*)+)")

_LONGEST = 20_000
"""Characters of a line that are read: no line of a start has as many."""
_MANY = 20_000
"""Lines of a log up to which all are read."""
_AROUND = 12
"""Lines kept before and after one that may be of a start, which may be broken in as many."""
_OF_A_START = (
    *("nitializ", "nit engine", "oad", "ompil", "aptur", "emory", "cache size", "cache tokens", "GiB"),
    *("raph", "oncurrency", "startup", "eager", "ynamo"),
)
_TRAFFIC = ("throughput: ", "HTTP/1", "Received request", "Added request", "Finished request", "Aborted request")


@dataclass(frozen=True)
class Log:
    """The lines of one log in the order of printing; `clock` says where their times come from, None: no times."""

    lines: tuple[Line, ...]
    clock: str | None


def read(text: str) -> Log:
    """The lines of a log file. A line without a time has that of the line before it.

    Progress bars, which overwrite themselves, count as lines; colours are dropped.
    """
    whole = [line[:_LONGEST] for line in text.splitlines()]
    if len(whole) > _MANY:
        whole = _near_starts(whole)
    raw = [part for line in whole for part in _ESCAPES.sub("", line).split("\r") if part.strip()]
    for clock, stamp in (("seconds before each line", _seconds), ("times of the container runtime", _iso)):
        found = [stamp(line) for line in raw]
        if any(time is not None for time, _ in found):
            return Log(_filled(found), clock)
    found = [_vllm_clock(line) for line in raw]
    timed = any(time is not None for time, _ in found)
    return Log(_forward(_filled(found)), "vLLM's clock, whole seconds" if timed else None)


def _near_starts(raw: Sequence[str]) -> list[str]:
    """The lines of a long log that may be of a start, with some around: a server's log is mostly of its requests."""
    told = [n for n, line in enumerate(raw) if _has(line, _OF_A_START) and not _has(line, _TRAFFIC)]
    kept: list[str] = []
    at = 0
    for n in told:
        at = max(at, n - _AROUND)
        kept.extend(line for line in raw[at : n + _AROUND + 1] if not _has(line, _TRAFFIC))
        at = max(at, n + _AROUND + 1)
    return kept


def _has(line: str, words: Sequence[str]) -> bool:
    return any(word in line for word in words)


def _seconds(line: str) -> tuple[float | None, str]:
    match = _SECONDS.match(line)
    return (float(match[1]), match[2]) if match else (None, line)


def _iso(line: str) -> tuple[float | None, str]:
    match = _ISO.search(line[:80])
    if match is None:
        return None, line
    return _epoch(f"{match[1]} {match[2]}", match[3]), line


def _vllm_clock(line: str) -> tuple[float | None, str]:
    match = _CLOCK.search(line[:160])
    # 2000 is a leap year: 02-29 is a date in any year.
    return (_epoch(f"2000-{match[1]} {match[2]}", match[3]), line) if match else (None, line)


def _epoch(moment: str, fraction: str | None) -> float | None:
    try:
        seconds = (datetime.strptime(moment, "%Y-%m-%d %H:%M:%S") - datetime(1970, 1, 1)) / timedelta(seconds=1)
    except ValueError:
        return None
    return seconds + float(f"0.{fraction or 0}")


def _filled(found: Sequence[tuple[float | None, str]]) -> tuple[Line, ...]:
    """Every line with a time: its own, else the one before it, else the first of all."""
    last = next((time for time, _ in found if time is not None), 0.0)
    out = []
    for time, text in found:
        last = last if time is None else time
        out.append((last, text))
    return tuple(out)


def _forward(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Times of a log that runs over New Year keep increasing: its clock has no year."""
    out, added, before = [], 0.0, None
    for time, text in lines:
        if before is not None and before - time > 180 * 86400:
            added += 366 * 86400
        before = time
        out.append((time + added, text))
    return tuple(out)


def process(text: str) -> str:
    """The processes that a line names, such as `(EngineCore_DP0 pid=109) (Worker_TP0 pid=110)`; empty for none."""
    found = _PROCESS.search(text[:200])
    return " ".join(found[1].split()) if found else ""


@dataclass(frozen=True)
class Reading:
    """One number of one line."""

    value: float
    stamp: float
    process: str


def readings(lines: Iterable[Line], pattern: str) -> list[Reading]:
    """The first group of `pattern` in every line that has it, as numbers."""
    compiled = re.compile(pattern)
    found = ((stamp, text, match) for stamp, text in lines if (match := compiled.search(text)))
    return [Reading(float(match[1].replace(",", "")), stamp, process(text)) for stamp, text, match in found]


def _last(values: Sequence[float]) -> float:
    return values[-1]


def figure(
    lines: Sequence[Line],
    patterns: Iterable[str],
    *,
    within: Callable[[Sequence[float]], float] = _last,
    across: Callable[[Iterable[float]], float] = max,
) -> float | None:
    """The number that the first matching pattern finds; None where none matches or the log says less than zero.

    Args:
        within: combines the numbers that one process printed (the last one, or their sum where parts are printed).
        across: combines the processes, which work at the same time (the slowest, or the smallest cache).
    """
    for pattern in patterns:
        found: dict[str, list[float]] = {}
        for reading in readings(lines, pattern):
            found.setdefault(reading.process, []).append(reading.value)
        if found:
            value = across(within(values) for values in found.values())
            return value if value >= 0 else None
    return None
