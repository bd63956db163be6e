"""The summary: verdict, headline, gates and the state of every section, read from results files alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, cast

from evalpress.core import results, secrets
from evalpress.core.errors import UserError
from evalpress.sections import states
from evalpress.sections.gate import Gate
from evalpress.sections.job import Job
from evalpress.sections.registry import SECTIONS, skip_reason
from evalpress.sections.summary import claims, conclusion, gates, key_figures
from evalpress.sections.summary.headline import headline
from evalpress.sections.summary.measured import Measured
from evalpress.sections.summary.results import Shortened, Summary, SummarySection

Documents = dict[str, results.Document[Any]]
"""Section name -> its results file."""


def build(job: Job) -> Summary:
    """Judge what the report's results folder holds and write `summary.json`.

    A results file that cannot be used (edited, cut off, of an older version) makes its section failed, with the reason.
    """
    sections, documents = _sections(job)
    data = cast(Measured, {name: document.data for name, document in documents.items()})
    found = [
        *gates.evaluate(job.params, data),
        *gates.of_the_run(sections, {name: one.provenance for name, one in documents.items()}),
    ]
    ends = [str(one.provenance["end"]) for one in documents.values() if one.provenance.get("end")]
    summary = Summary.model_validate(
        {
            "schema": f"evalpress/summary/{results.VERSION}",
            "created": results.now(),
            "measured": max(ends, default=None),
            "set": job.params.set,
            "title": job.params.title,
            "description": job.params.description,
            "model": job.params.model.shown,
            "platform": job.params.platform.backend,
            "device": _device(documents),
            "verdict": verdict(found),
            "gates": found,
            "headline": headline(data.get("benchmark"), found),
            "conclusion": conclusion.clauses(data, sections, found),
            "key_figures": key_figures.figures(data),
            "claims": claims.beside(job.params, data, _device_name(documents)),
            "sections": sections,
            "shortened": _shortened(documents),
            "command": _command(job),
        }
    )
    plain = summary.model_dump(mode="json", by_alias=True)
    results.check_values(plain, "summary")
    results.write_json(job.folder / "summary.json", plain)
    return summary


def _shortened(documents: Documents) -> Shortened | None:
    """What the sections left out for the time budget; None where none had one."""
    recorded = {name: one.provenance.get("budget") for name, one in documents.items()}
    found = {name: one for name, one in recorded.items() if isinstance(one, dict) and one.get("minutes")}
    if not found:
        return None
    return Shortened(
        minutes=max(float(one["minutes"]) for one in found.values()),
        left_out={name: tuple(map(str, one.get("left_out") or ())) for name, one in found.items()},
        why={name: str(one["why"]) for name, one in found.items() if one.get("why")},
    )


def _command(job: Job) -> str:
    """The command that makes this report again, with the parameters that were given beside the file.

    Quoted twice, as it is read twice: by the shell of the reader, and by the shell that make starts. Make itself reads
    `$`.
    """
    given = secrets.redacted(job.params.overrides)
    settings = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items())
    options = " ".join(f"--param {shlex.quote(setting)}" for setting in settings)
    command = f"make report SET={shlex.quote(job.params.set)} BACKEND={job.params.platform.backend}"
    return f"{command} ARGS={shlex.quote(options.replace('$', '$$'))}" if options else command


def verdict(found: list[Gate]) -> str:
    """fail when any gate fails, warn when any warns, else pass."""
    statuses = {one.status for one in found}
    return next((status for status in ("fail", "warn") if status in statuses), "pass")


def _sections(job: Job) -> tuple[dict[str, SummarySection], Documents]:
    """State of each section, as the run recorded it or by whether its results are there; and the usable results."""
    recorded = states.read(job.folder)
    found: dict[str, SummarySection] = {}
    documents: Documents = {}
    for section in SECTIONS:
        state = recorded.get(section.name)
        if reason := skip_reason(section, job.params):
            found[section.name] = SummarySection(status="skipped", why=reason)
        elif state is not None and state.status == "failed":
            found[section.name] = SummarySection(status="failed", why=state.why or "no reason was recorded")
        else:
            try:
                documents[section.name] = _required(job, section.name)
                found[section.name] = SummarySection(status="done", not_shown=state.not_shown if state else None)
            except UserError as error:
                found[section.name] = SummarySection(status="failed", why=str(error))
    return found, documents


def _required(job: Job, section: str) -> results.Document[Any]:
    document = job.result(section)
    if document is None:
        raise UserError("there are no results of this section")
    return document


def _device(documents: Documents) -> Any:
    document = documents.get("setup")
    return document.provenance.get("device") if document else "unknown: the setup section has no results"


def _device_name(documents: Documents) -> str:
    device = _device(documents)
    return str(device.get("name", "not known")) if isinstance(device, Mapping) else "not known"
