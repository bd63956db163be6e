"""The setup section: the model, what running it needs, the host, and the commands to run it again."""

from __future__ import annotations

from collections.abc import Sequence

from evalpress import claims, engine, model, platforms
from evalpress.core.paths import resolve, shown
from evalpress.core.progress import step
from evalpress.params.public import without_secrets
from evalpress.params.schema import Params
from evalpress.platforms import versions
from evalpress.sections.job import Job
from evalpress.sections.setup import run_book
from evalpress.sections.setup.results import (
    Adaptation,
    Claims,
    Environment,
    Finding,
    ModelTable,
    NotRun,
    Results,
    Versions,
)

_PLATFORM_PLUGIN = {"ascend": "ascend"}
"""Backends that vLLM supports only through a plugin: the name of its entry point."""


def measure(job: Job) -> Results:
    """Model and environment tables, adaptation status, version check and run book.

    Raises:
        UserError: the model is nowhere, its files are broken, or this host is not the set's platform.
    """
    params = job.params
    step("importing vLLM")
    registered = engine.supported_architectures(params)
    step("reading the model's configuration and weights")
    described = ModelTable.model_validate(model.describe(params))
    step("reading the host's facts")
    host = platforms.probe(params.platform.backend, params.engine.env)
    found = versions.installed_versions()
    book = run_book.build(without_secrets(params))
    return Results(
        model=described,
        adaptation=_adaptation(params, registered),
        environment=Environment(
            versions=Versions.model_validate(found),
            backend=host.backend,
            device=host.device,
            host=host.host,
            variables=host.environment,
        ),
        version_check=tuple(versions.check(found, params.platform.backend)),
        preloaded=host.preloaded,
        runbook=book,
        claims=tuple(_claims(name) for name in params.claims),
        not_run=tuple(NotRun(id=c.id, why=c.runs_in_why) for c in book.commands if c.runs_in_why is not None),
    )


def _claims(name: str) -> Claims:
    """One file of published numbers, audited: its source and every finding."""
    path = resolve(name)
    return Claims(
        file=shown(path),
        source=claims.load(path).source.model_dump(mode="json", exclude_none=True),
        findings=tuple(Finding.model_validate(finding.as_dict()) for finding in claims.audit(path)),
    )


def _adaptation(params: Params, registered: Sequence[str]) -> Adaptation:
    found = model.adaptation(
        model.resolve(params),
        registered,
        _PLATFORM_PLUGIN.get(params.platform.backend),
        model.plugins(),
    )
    return Adaptation.model_validate(found)
