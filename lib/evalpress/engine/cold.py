"""The last cold start of an engine: saved beside the compile cache, since a filled cache cannot give it again."""

from __future__ import annotations

from pathlib import Path

from evalpress import platforms
from evalpress.core import results
from evalpress.core.hashing import digest
from evalpress.core.paths import CACHE
from evalpress.engine.results import Startup
from evalpress.params.schema import Mode, Params
from evalpress.platforms.versions import installed_versions


def _path(params: Params, mode: Mode) -> Path:
    """One file per engine settings and installed versions."""
    known = [params.model.model_dump(mode="json"), params.engine.model_dump(mode="json"), mode]
    return CACHE / "starts" / f"{digest([*known, installed_versions()])[:16]}.json"


def save(params: Params, mode: Mode, startup: Startup) -> None:
    """Save a start that compiled from nothing, with when and where it was measured."""
    place = {"measured": results.now(), "host": platforms.probe(params.platform.backend).host.model_dump(mode="json")}
    results.write_json(_path(params, mode), startup.model_dump(mode="json") | place)


def load(params: Params, mode: Mode) -> Startup | None:
    """The last cold start of these settings on this host, or None."""
    try:
        return Startup.model_validate_json(_path(params, mode).read_bytes())
    except (OSError, ValueError):  # missing, cut off, or written by an older version in another form
        return None
