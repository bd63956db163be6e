"""The last cold start of an engine: saved beside the compile cache, since a filled cache cannot give it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalpress import platforms
from evalpress.core import results
from evalpress.core.hashing import digest
from evalpress.core.paths import CACHE
from evalpress.params.schema import Mode, Params
from evalpress.platforms.versions import installed_versions


def _path(params: Params, mode: Mode) -> Path:
    """One file per engine settings and installed versions."""
    known = [params.model.model_dump(mode="json"), params.engine.model_dump(mode="json"), mode]
    return CACHE / "starts" / f"{digest([*known, installed_versions()])[:16]}.json"


def save(params: Params, mode: Mode, startup: dict[str, Any]) -> None:
    """Save a start that compiled from nothing, with when and where it was measured."""
    place = {"measured": results.now(), "host": platforms.probe(params.platform.backend).host.model_dump(mode="json")}
    results.write_json(_path(params, mode), startup | place)


def load(params: Params, mode: Mode) -> dict[str, Any] | None:
    """The last cold start of these settings on this host, or None."""
    try:
        found: dict[str, Any] = json.loads(_path(params, mode).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
