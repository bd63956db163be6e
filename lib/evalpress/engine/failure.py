"""Why a server failed, from its log: the exception that ended it, not just any line that mentions an error."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST = 300
_LINE = re.compile(
    r"^(?P<process>(?:\([\w:. =-]+\)\s?)*)"  # (EngineCore pid=12)
    r"(?:(?P<level>ERROR|WARNING|INFO|DEBUG|CRITICAL):?\s+(?:\d\d-\d\d \d\d:\d\d:\d\d\s+)?(?:\[[^\]]*:\d+\]\s?)?)?"
    r"(?P<text>.*)$"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")
_ARGPARSE = re.compile(r"^\S+: error: ")
_LINKS = ("The above exception was the direct cause", "During handling of the above exception")
_FOLLOW_UP = ("Engine core initialization failed", "See root cause above", "See stack trace above", "WorkerProc init")
"""What vLLM's outer process says when an inner one has already given the reason."""
_PYDANTIC = re.compile(r"\d+ validation errors? for ")


@dataclass
class _Chain:
    """The exceptions of one traceback, each the cause of the next."""

    exceptions: list[str] = field(default_factory=list)

    def told(self) -> str:
        first, last = self.exceptions[0], self.exceptions[-1]
        return last if first == last else f"{last} (first cause: {first})"


def ending(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended with exit status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f"was killed by {name}" + (", as the system does when memory runs out" if -status == signal.SIGKILL else "")


def reason(log: Path) -> str:
    """The reason that a server's log states, in one line; its last line where it states none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "its log cannot be read"
    return reason_in(text.splitlines())


def reason_in(lines: Sequence[str]) -> str:
    """As `reason`, from the lines of the log."""
    parts = [match.groupdict() for line in lines if (match := _LINE.match(_COLOUR.sub("", line)))]
    by_process: dict[str, list[str]] = {}
    for part in parts:
        by_process.setdefault(part["process"] or "", []).append(part["text"].rstrip())
    told = [chain.told() for texts in by_process.values() for chain in _chains(texts)]
    root = [text for text in told if not any(words in text for words in _FOLLOW_UP)]
    refused = [part["text"] for part in parts if _ARGPARSE.match(part["text"])]
    logged = [p["text"] for p in parts if p["level"] in ("ERROR", "CRITICAL") and p["text"].strip()]
    for candidates in (root, refused, told, logged):
        if candidates:
            return candidates[-1].strip()[:_LONGEST]
    last = next((part["text"].strip() for part in reversed(parts) if part["text"].strip()), None)
    return "it printed nothing" if last is None else f"its log states no reason; its last line: {last[:_LONGEST]}"


def _chains(texts: Sequence[str]) -> list[_Chain]:
    """The chains of exceptions in one process's lines, in the order of the log."""
    chains: list[_Chain] = []
    inside = linked = False
    for index, text in enumerate(texts):
        if text.startswith("Traceback (most recent call last)"):
            inside = True
        elif text.startswith(_LINKS):
            linked = bool(chains)
        elif inside and _EXCEPTION.match(text):
            if not linked:
                chains.append(_Chain())
            chains[-1].exceptions.append(_with_value(text, texts[index + 1 : index + 8]))
            inside = linked = False
    return chains


def _with_value(text: str, following: Sequence[str]) -> str:
    """An exception's line; pydantic's has its message below."""
    if not _PYDANTIC.search(text):
        return text
    value = next((line.strip() for line in following if "Value error, " in line), None)
    return (value or (following[0].strip() if following else text)).removeprefix("Value error, ").split(" [type=")[0]
