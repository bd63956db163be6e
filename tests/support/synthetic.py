"""A small project of its own in a temporary folder: this library, tiny notebooks, a renderer that only notes its calls.

The real pipeline, kernel and papermill run in it; no engine, no model, no templates.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
from evalpress.run import processes
from evalpress.sections.registry import SECTIONS, SUMMARY

STEMS = ("00_setup", "10_benchmark", "20_serving", "30_evidence", "40_alignment", "50_quality", "90_summary")

LIB = Path(__file__).resolve().parents[2] / "lib" / "evalpress"

PARAMS = """\
title: Synthetic
model: {path: model}
platform: {backend: cpu, preload: false}
evidence: {prompts: []}
alignment: {prompts: []}
quality: {cases: []}
run: {timeout_s: 60}
"""
RENDERER = """\
import json
def render(folder, title, failures, skipped, languages):
    for name in ("report.html", "report.md"):
        (folder / name).write_text(title)
    with (folder / "rendered.jsonl").open("a") as file:
        file.write(json.dumps({"failures": failures, "skipped": skipped}) + "\\n")
"""
PLAIN_RESULTS = """

def results_model(section):
    return dict
"""
"""Appended to the registry: made-up results have no model."""
HEAD = 'set_name = "demo"\nreports_dir = "reports"\nmeasure = "auto"\noverrides = {}'


class Project:
    """A project folder; `run()` calls its command line in a separate process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(LIB, root / "lib" / "evalpress", ignore=shutil.ignore_patterns("__pycache__", "report", "demo"))
        self.write("lib/evalpress/report/__init__.py", RENDERER)
        with (root / "lib/evalpress/sections/registry.py").open("a") as registry:
            registry.write(PLAIN_RESULTS)
        self.write("params/demo.yaml", PARAMS)
        weights = shutil.ignore_patterns("*.safetensors")
        shutil.copytree(LIB.parents[1] / "models" / "demo", root / "model", ignore=weights)
        for section in SECTIONS:
            self.notebook(section.notebook, measuring(section.name))
        self.notebook(SUMMARY.notebook, SUMMARY_CELLS)

    @property
    def report(self) -> Path:
        return self.root / "reports" / "demo"

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def notebook(self, stem: str, cells: list[str], head: str = HEAD) -> None:
        """A notebook of a heading, a parameters cell and `cells`."""
        first = nbformat.v4.new_code_cell(head, metadata={"tags": ["parameters"]})
        nodes = [nbformat.v4.new_markdown_cell(f"# {stem}"), first, *map(nbformat.v4.new_code_cell, cells)]
        path = self.root / "notebooks" / f"{stem}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=nodes), path)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root / "lib")}

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "evalpress", *args]

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args),
            env=self.environment(),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*args),
            env=self.environment(),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, name: str) -> dict:
        return json.loads((self.report / name).read_text(encoding="utf-8"))


def measuring(section: str, *more: str, inside: str = "") -> list[str]:
    """Cells that measure a made-up section, counting in `measured.txt` how often, and then `more`.

    Args:
        inside: statements that run during the measurement, after its raw observations are written.
    """
    return [
        "from evalpress.sections.job import open_job\n"
        f"job = open_job({section!r}, set_name, reports_dir, measure, overrides)",
        f"""def work(job):
    with (job.folder / "measured.txt").open("a") as file:
        file.write({section + chr(10)!r})
    job.raw("numbers", [1, 2])
    exec({inside!r}, globals() | {{"job": job}})
    return {{"figure": 1}}
result = job.run(work)""",
        *more,
    ]


SUMMARY_CELLS = [
    "from evalpress.sections.job import open_job\njob = open_job('summary', set_name, reports_dir, measure, overrides)",
    """import json
from evalpress.core.results import write_json
status = json.loads((job.folder / "results" / "status.json").read_text())["sections"]
failed = any(one["status"] == "failed" for one in status.values())
write_json(job.folder / "summary.json", {"verdict": "fail" if failed else "pass", "sections": status})""",
]


def measured(project: Project) -> list[str]:
    path = project.report / "measured.txt"
    return path.read_text().split() if path.is_file() else []


def alive(project: Project) -> list[psutil.Process]:
    return list(processes._of(project.report))


def executed(project: Project, stem: str) -> nbformat.NotebookNode:
    return nbformat.read(project.report / "notebooks" / f"{stem}.ipynb", as_version=4)
