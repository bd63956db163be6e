"""Where the summary's numbers come from: when, how long and with what each section was measured."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from datetime import datetime

from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.display.completion import own_functions
from evalpress.display.tables import Cell, Code, Column, Missing, Prose, Table, moment, pick
from evalpress.display.wording import listed
from evalpress.sections.job import Job
from evalpress.sections.registry import SECTIONS, by_name

__dir__ = own_functions(__name__)


def provenance(job: Job) -> Table:
    """When and from which state each section was measured."""
    rows: list[list[Cell]] = []
    read = any(origin.get("processors") for origin in _origins(job).values())
    for name, origin in _origins(job).items():
        git, start, end = origin.get("git") or {}, str(origin.get("start", "")), str(origin.get("end", ""))
        commit = git.get("commit")
        state: Cell = Missing(str(git.get("commit_why", "not recorded")))
        if commit is not None:
            state = f"{commit[:10]}{' + changes' if git.get('dirty') else ''}"
        digests = " ".join(f"{key} {str(value)[:8]}" for key, value in origin.get("digests", {}).items())
        rows.append(
            [
                by_name(name).title,
                moment(start),
                moment(end),
                _seconds(start, end, origin.get("steps_s") or {}),
                *(_processors(origin) if read else ()),
                state,
                Code(digests),
            ]
        )
    heads: list[Column | str] = [
        "section",
        "start (UTC)",
        "end (UTC)",
        Column("took", "s"),
        *(_PROCESSORS if read else ()),
        "commit of the suite",
        Column("digests", wide=True),
    ]
    note = (
        "Digests (SHA-256, shortened): parameters, the files they name, notebook code, library code, model files, and "
        "the versions and device of the engine."
    )
    if read:
        note += (
            " Processors busy: share of the time of all processors; what is neither of this process nor steal (a "
            "virtual machine waits for its host) went to other programs, or to servers of this report in processes of "
            "their own."
        )
    return Table("Provenance", heads, rows, note=note)


def times(job: Job) -> Table | Prose:
    """Where the time of measuring went: the longest steps of each section, where any section recorded its steps."""
    rows: list[list[Cell]] = []
    for name, origin in _origins(job).items():
        steps = sorted((origin.get("steps_s") or {}).items(), key=lambda one: -one[1])
        whole = sum(seconds for _, seconds in steps)
        rows += [
            [by_name(name).title, text, seconds, 100 * seconds / whole]
            for text, seconds in steps[:_LONGEST]
            if seconds >= 1.0
        ]
    if not rows:
        return Prose("")
    heads: list[Column | str] = ["section", Column("step", wide=True), Column("took", "s"), Column("share", "%")]
    note = (
        f"The {_LONGEST} longest steps of each section, from 1 s on, with their share of the section's time. Steps "
        "that differ in a number only are added up."
    )
    return Table("Where the time went", heads, rows, note=note)


_LONGEST = 6


def environment(job: Job) -> Table:
    """The versions and the device that each section was measured with."""
    heads = {"vllm": "vLLM", "vllm_ascend": "vLLM-Ascend", "torch": "torch", "transformers": "transformers"}
    heads |= {"cann": "CANN", "driver": "driver", "device": "device", "usable_cores": "usable cores"}
    facts = {name: origin.get("engine") or {} for name, origin in _origins(job).items()}
    shown = [key for key in heads if any(key in one for one in facts.values())]
    rows: list[list[Cell]] = [[by_name(name).title, *(one.get(key) for key in shown)] for name, one in facts.items()]
    return Table("Measured with", ["section", *(heads[key] for key in shown)], rows, note=_variables(job))


def _variables(job: Job) -> Cell:
    """The environment variables that a section recorded and the setup section did not have yet."""
    found = {name: origin.get("environment") or {} for name, origin in _origins(job).items()}
    at_setup = found.pop("setup", {})
    later: dict[str, dict[str, None]] = {}
    for name, variables in found.items():
        for key, value in variables.items():
            if at_setup.get(key) != value:
                later.setdefault(f"{key}={value}", {})[by_name(name).title] = None
    if not later:
        return ""
    parts: list[Cell] = ["Environment variables that only these sections had: "]
    for at, (setting, names) in enumerate(later.items()):
        parts += ["; " if at else "", Code(setting), f" ({listed(names)})"]
    return (*parts, ".")


def _origins(job: Job) -> dict[str, Json]:
    """`provenance` of every section whose results can be read."""
    found: dict[str, Json] = {}
    for section in SECTIONS:
        with contextlib.suppress(UserError):
            document = job.result(section.name)
            if document is not None:
                found[section.name] = document.provenance
    return found


_PROCESSORS = (Column("processors busy", "share"), Column("by this process", "share"), Column("steal", "share"))


def _processors(origin: Json) -> list[Cell]:
    """Shares of all processors' time during a section: busy, of the section's own process, stolen by the host."""
    found = origin.get("processors") or {}
    return [
        pick(found, key) if key in found else Missing("measured by an older version of this suite, which read none")
        for key in ("busy_share", "own_share", "steal_share")
    ]


def _seconds(start: str, end: str, steps: Mapping[str, float]) -> Cell:
    """Seconds between two stamps, which lack the parts of a second; at least those of the steps."""
    try:
        between = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
        return max(int(between), math.ceil(sum(steps.values())))
    except ValueError:
        return Missing("not recorded")
