"""Shared by the slow tests: one real report of the demo set, made once by the command that users run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from evalpress.paths import ROOT
from hypothesis import settings

START = dict(os.environ)
"""The environment before any test imported vLLM, which changes it for its process and all children."""


@pytest.fixture(autouse=True)
def environment_as_at_the_start():
    """What a test leaves in the environment is no other test's."""
    yield
    own = {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}
    os.environ.clear()
    os.environ.update(START | own)


@dataclass(frozen=True)
class Report:
    """A finished report and what the command printed."""

    reports_dir: Path
    folder: Path
    stdout: str
    returncode: int


def evalpress(*arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """The command line, run as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "evalpress", *arguments],
        cwd=ROOT,
        env=START,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory) -> Report:
    """`evalpress report --set demo`: real engines, a real server, every section."""
    reports_dir = tmp_path_factory.mktemp("reports")
    done = evalpress("report", "--set", "demo", "--reports-dir", str(reports_dir))
    assert done.returncode in (0, 1), done.stderr
    return Report(reports_dir, reports_dir / "demo", done.stdout, done.returncode)


SLOW_FILES = {
    "test_alignment_comparison.py",
    "test_alignment_faults.py",
    "test_alignment_metrics.py",
    "test_alignment_models.py",
    "test_alignment_reference.py",
    "test_end_to_end.py",
    "test_quality_checkers.py",
    "test_quality_sandbox.py",
    "test_run_pipeline.py",
}
"""Whole files of small models, planted faults, hostile programs and real kernels: not for `make test-fast`."""

settings.register_profile("fast", max_examples=20)


def pytest_configure(config: pytest.Config) -> None:
    """Fewer examples where speed was asked for; all of them in `make test`."""
    if config.option.markexpr == "not slow":
        settings.load_profile("fast")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where speed was asked for, slow files are not even imported."""
    return True if config.option.markexpr == "not slow" and collection_path.name in SLOW_FILES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of the slow files."""
    for item in items:
        if item.path.name in SLOW_FILES:
            item.add_marker(pytest.mark.slow)
