"""No key that the last release wrote is lost: others read these files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from evalpress.core.paths import ROOT
from keys import named

pytestmark = [pytest.mark.slow, pytest.mark.engine]

RELEASED = json.loads((ROOT / "tests" / "data" / "keys-0.1.0.json").read_text(encoding="utf-8"))
GONE = {
    "serving": {"servers.<name>.forked"},  # servers are started by the run book's own command, never forked
}
"""Keys that were taken back, each with its reason; CHANGELOG.md names them."""
COLD = ("modes.<mode>.startup_cold.", "break_even.cold.")
"""Keys of a cold start: absent where no engine of the set started with an empty compile cache on this machine."""
EARLIER = {"modes.<mode>.startup_cold.measured", "modes.<mode>.startup_cold.host"}
"""Keys of a cold start that an earlier run measured: absent where this run itself started with an empty cache."""


def _not_here(document: dict[str, Any], missing: set[str]) -> set[str]:
    """Those of the missing keys that this run could not have."""
    cold = document["data"]["modes"]["compiled"]["startup_cold"]
    return {key for key in missing if key in EARLIER or (cold is None and key.startswith(COLD))}


@pytest.mark.parametrize("name", RELEASED)
def test_every_key_of_the_last_release_is_still_written(demo_report, name):
    folder = demo_report.folder if name == "summary" else demo_report.folder / "results"
    document = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    written = named(document if name == "summary" else document["data"])
    missing = set(RELEASED[name]) - written - GONE.get(name, set())
    assert missing - (_not_here(document, missing) if name == "benchmark" else set()) == set()
