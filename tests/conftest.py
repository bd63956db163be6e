"""Shared by all tests: the environment, and one real report of the demo set, made once by the users' command."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import setuptools  # noqa: F401  # before a test imports pip, beside whose distutils setuptools (torch) cannot be imported
from commands import GIVEN, START, Report, evalpress
from hypothesis import HealthCheck, settings

_ALL_SLOW = re.compile(r"^pytestmark = (\[?)pytest\.mark\.slow(?(1), pytest\.mark\.engine\])$", re.MULTILINE)


@pytest.fixture(autouse=True)
def environment_as_at_the_start():
    """Undo each test's changes of the environment."""
    yield
    own = {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}
    os.environ.clear()
    os.environ.update(START | own)


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory) -> Report:
    """`evalpress report --set demo`, as `commands.SHORT` says: real engines, real servers, every section."""
    reports_dir = tmp_path_factory.mktemp("reports")
    done = evalpress("report", "--set", "demo", "--reports-dir", str(reports_dir), *GIVEN)
    assert done.returncode in (0, 1), done.stderr
    return Report(reports_dir, reports_dir / "demo", done.stdout, done.returncode)


_UNTIMED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}  # the machine may be busy
settings.register_profile("repeatable", derandomize=True, **_UNTIMED)
settings.register_profile("fast", derandomize=True, max_examples=20, **_UNTIMED)
settings.register_profile("fuzz", derandomize=False, print_blob=True, **_UNTIMED)


def pytest_configure(config: pytest.Config) -> None:
    """Property tests: the same examples in every run, fewer in `make test-fast`; new ones in `make fuzz`."""
    fast = config.option.markexpr == "not slow"
    settings.load_profile(config.getoption("--hypothesis-profile") or ("fast" if fast else "repeatable"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files without a selected test are not imported: every test is slow, or none loads an engine."""
    if config.option.markexpr not in ("not slow", "engine") or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    left_out = _ALL_SLOW.search(text) if config.option.markexpr == "not slow" else "mark.engine" not in text
    return True if left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that make a report must carry the mark with which they run alone, because engines share memory and time.

    Files with slow tests come first, so that two workers end at about the same time.
    """
    for item in items:
        if "demo_report" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("engine"):
            raise pytest.UsageError(f"{item.nodeid}: a test with the demo's report needs pytest.mark.engine")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
