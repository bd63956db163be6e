"""Shared by all tests: the environment, and one real report of the demo set, made once by the users' command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from commands import START, Report, evalpress
from hypothesis import settings

_ALL_SLOW = re.compile(r"^pytestmark = pytest\.mark\.slow$", re.MULTILINE)


@pytest.fixture(autouse=True)
def environment_as_at_the_start():
    """What a test leaves in the environment is no other test's."""
    yield
    own = {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}
    os.environ.clear()
    os.environ.update(START | own)


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory) -> Report:
    """`evalpress report --set demo`: real engines, a real server, every section."""
    reports_dir = tmp_path_factory.mktemp("reports")
    done = evalpress("report", "--set", "demo", "--reports-dir", str(reports_dir))
    assert done.returncode in (0, 1), done.stderr
    return Report(reports_dir, reports_dir / "demo", done.stdout, done.returncode)


settings.register_profile("repeatable", derandomize=True)
settings.register_profile("fast", derandomize=True, max_examples=20)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)


def pytest_configure(config: pytest.Config) -> None:
    """Property tests: the same examples for everybody, fewer where speed was asked for; new ones in `make fuzz`."""
    fast = config.option.markexpr == "not slow"
    settings.load_profile(config.getoption("--hypothesis-profile") or ("fast" if fast else "repeatable"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where speed was asked for, files whose every test is marked slow are not even imported."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return True if _ALL_SLOW.search(collection_path.read_text(encoding="utf-8")) else None
