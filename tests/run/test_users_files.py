"""A user's own files and variables change nothing: .curlrc, .netrc, PYTHONSTARTUP, matplotlibrc, an ASCII terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from evalpress import params
from evalpress.engine.endpoint import Endpoint
from evalpress.sections.serving import asking
from pretended_server import serving
from synthetic import Project, measuring

CURLRC = 'include\nproxy = "http://127.0.0.1:9"\noutput = "taken-away"\nrequest = "HEAD"\n'


# The test calls curl itself; a minimal container may lack it.
@pytest.mark.skipif(shutil.which("curl") is None, reason="the run book's own command is curl")
def test_the_users_curlrc_does_not_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".curlrc").write_text(CURLRC)
    for name in ("HOME", "CURL_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    with serving("good") as url:
        demo = params.load("demo")
        set_ = demo.model_copy(update={"serving": demo.serving.model_copy(update={"base_url": url})})
        plain = subprocess.run(["curl", "-s", f"{url}/v1/models"], cwd=tmp_path, check=False)
        assert plain.returncode != 0  # the file is in force
        found = asking.curl(Endpoint(url), "m", set_, "running")
    assert found.ok and found.output


@pytest.mark.slow
def test_a_report_runs_whatever_the_users_own_files_say(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".config" / "matplotlib").mkdir(parents=True)
    (home / ".config" / "matplotlib" / "matplotlibrc").write_text("text.usetex: True\n")
    (home / ".ipython" / "profile_default" / "startup").mkdir(parents=True)
    (home / ".ipython" / "profile_default" / "startup" / "00.py").write_text("raise SystemExit('mine')\n")
    (home / "startup.py").write_text("raise SystemExit('my startup file asks for a terminal')\n")
    project = Project(tmp_path / "project")
    drawn = (
        "from evalpress.display import figure_style\n"
        "with figure_style.canvas(2) as (canvas, (axes,)):\n    axes.plot([1, 2])\n"
        "    made = figure_style.finish(canvas, 'alt', 'caption').svg\n"
        "assert '<svg' in made\nimport os\nassert 'PYTHONSTARTUP' not in os.environ\nprint('中 ·')"
    )
    project.notebook("10_benchmark", measuring("benchmark", drawn))
    own = {"HOME": str(home), "PYTHONSTARTUP": str(home / "startup.py"), "PYTHONIOENCODING": "ascii"}
    own |= {"MATPLOTLIBRC": str(home / ".config" / "matplotlib" / "matplotlibrc"), "LANG": "C", "LC_ALL": "C"}
    done = subprocess.run(
        project.command("report"),
        env={**os.environ, **own, "PYTHONPATH": str(project.root / "lib")},
        cwd=project.root,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    done.stdout.decode("ascii")
    assert "中 ·" in (project.report / "logs" / "10_benchmark.log").read_text(encoding="utf-8")
