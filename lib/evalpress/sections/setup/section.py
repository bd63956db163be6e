"""The Setup section: what the model is, what it takes to run it, where it runs, how to run it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalpress import claims, engine, model, platforms
from evalpress.core.paths import resolve, shown
from evalpress.core.progress import step
from evalpress.params.public import without_secrets
from evalpress.params.schema import Params
from evalpress.platforms import versions
from evalpress.sections.job import Job
from evalpress.sections.setup import run_book

_PLATFORM_PLUGIN = {"ascend": "ascend"}
"""Backends that vLLM knows only through a plugin: the name of its entry point."""


def measure(job: Job) -> dict[str, Any]:
    """The section's data: model and environment tables, adaptation status, version check, run book.

    Raises:
        UserError: the model is nowhere, its files are broken, or this host is not the set's platform.
    """
    params = job.params
    step("importing vLLM")
    registered = engine.supported_architectures(params)
    step("reading the model's configuration and weights")
    described = model.describe(params)
    step("asking the host")
    host = platforms.probe(params.platform.backend, params.engine.env)
    found = versions.installed_versions()
    book = run_book.build(without_secrets(params))
    return {
        "model": described,
        "adaptation": _adaptation(params, registered),
        "environment": {
            "versions": found,
            **{key: host[key] for key in ("backend", "device", "host")},
            "variables": host["environment"],
        },
        "version_check": [v.model_dump(mode="json") for v in versions.check(found, params.platform.backend)],
        "preloaded": host["preloaded"],
        "runbook": book,
        "claims": [_claims(name) for name in params.claims],
        "not_run": [{"id": c["id"], "why": c["runs_in_why"]} for c in book["commands"] if c["runs_in"] is None],
    }


def _claims(name: str) -> dict[str, Any]:
    """One file of published numbers, audited: its source and every finding."""
    path = resolve(name)
    return {
        "file": shown(path),
        "source": claims.load(path).source.model_dump(mode="json", exclude_none=True),
        "findings": [finding.as_dict() for finding in claims.audit(path)],
    }


def _adaptation(params: Params, registered: Sequence[str]) -> dict[str, Any]:
    return model.adaptation(
        model.resolve(params),
        registered,
        _PLATFORM_PLUGIN.get(params.platform.backend),
        model.plugins(),
    )
