"""The report on which `benchmarks/faults.py` tries its faults: its set, its processes, its files, its disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from evalpress.core.lock import MARKER
from evalpress.core.paths import ROOT
from evalpress.sections import backup

SET = """\
extends: demo
title: Fault injection
engine: {modes: [eager]}
benchmark:
  blocks: 2
  ceilings: false
  scaling: null
  workloads: {throughput: {num_prompts: 24, input_len: 32, output_len: 64}, prefill: null, decode: null, e2e_16: null,
    e2e_64: null}
serving: {modes: [eager], concurrency: [2], rate_shares: [0.5], repeats: 1, requests_per_level: 24, rate_seconds: 2,
  output_len: 64}
skip: {SKIPPED: not needed here, setup: not needed here, evidence: not needed here, alignment: not needed here,
  quality: not needed here}
"""
SECTION = {
    "engine load": "benchmark",
    "mid-workload": "benchmark",
    "server start": "serving",
    "mid-request": "serving",
    "results written": "benchmark",
    "rendering": "benchmark",
}
"""Moment -> the section that the report measures."""
VICTIMS = {
    "engine load": ("kernel",),
    "mid-workload": ("kernel",),
    "server start": ("kernel", "server", "engine core", "command"),
    "mid-request": ("kernel", "server", "engine core", "command"),
    "results written": ("kernel", "command"),
    "rendering": ("command",),
}
STEPS = {"engine load": "loading the eager engine", "mid-workload": "block 1 of", "mid-request": "load on the"}
"""The library's step at a moment."""
SLOW = {"results written": "results", "rendering": "rendering"}


@dataclass
class Bench:
    """A report of one section."""

    root: Path
    on_tmpfs: bool
    section: str
    count: int = 0
    seen: set[psutil.Process] = field(default_factory=set)

    def __post_init__(self) -> None:
        other = "serving" if self.section == "benchmark" else "benchmark"
        self.set_file.write_text(SET.replace("SKIPPED", other), encoding="utf-8")

    @property
    def set_file(self) -> Path:
        return self.root / f"faults-{self.section}.yaml"

    @property
    def folder(self) -> Path:
        return self.root / "reports" / self.set_file.stem

    @property
    def mark(self) -> Path:
        return self.root / "moment"

    def command(self, verb: str, *more: str) -> list[str]:
        head = [sys.executable, "-m", "evalpress", verb, "--set", str(self.set_file)]
        return [*head, "--reports-dir", str(self.root / "reports"), *more]

    def environment(self, moment: str = "") -> dict[str, str]:
        paths = [str(ROOT / "lib"), *([str(ROOT / "benchmarks" / "slow_disk")] if moment in SLOW else [])]
        slow = {"FAULT_AT": SLOW.get(moment, ""), "FAULT_MARK": str(self.mark)}
        return os.environ | slow | {"PYTHONPATH": os.pathsep.join(paths)}

    def run(self, verb: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *more), env=self.environment(), capture_output=True, text=True, check=False, cwd=ROOT
        )

    def contents(self) -> dict[str, bytes]:
        """Results and raw observations, as the next reader finds them: where a run ended early, the copy put aside."""
        results = self.folder / "results"
        if backup.exists(self.folder, self.section) and not backup.renewed(self.folder, self.section):
            results = self.folder / ".aside" / self.section
        paths = [*results.glob("*.json"), *results.glob("raw/*")]
        return {
            str(path.relative_to(results)): path.read_bytes() for path in sorted(paths) if path.name != "status.json"
        }

    def state(self, more: list[str]) -> str:
        """The section's state, as `evalpress status` says."""
        rows = json.loads(self.run("status", "--json", *more).stdout)
        return str(next(row["state"] for row in rows if row["section"] == self.section))

    def stale(self, moment: str) -> list[str]:
        """Options of a run that measures the section again, or, for rendering, only shows it under another title."""
        self.count += 1
        if moment == "rendering":
            return ["--param", f"title=Fault injection {self.count}"]
        key = {"benchmark": "benchmark.workloads.throughput.num_prompts", "serving": "serving.requests_per_level"}
        return ["--param", f"{key[self.section]}={25 + self.count % 8}"]

    def marked(self) -> list[psutil.Process]:
        """Running processes of this report: those that carry its mark, and what they started.

        vLLM's engine core has no environment to read a mark from: it writes its title over it. It stays in the list
        when the process that started it is gone.
        """
        found = {one for one in psutil.process_iter() if _alive(one) and self._carries_the_mark(one)}
        for one in list(found):
            with suppress(psutil.Error):
                found.update(one.children(recursive=True))
        self.seen = {one for one in self.seen | found if _alive(one)}
        return sorted(self.seen, key=lambda one: one.pid)

    def _carries_the_mark(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARKER) == str(self.folder)
        except psutil.Error:
            return False

    def process(self, name: str, run: subprocess.Popen[str]) -> psutil.Process | None:
        """One of this report's processes by what it is."""
        if name == "command":
            return psutil.Process(run.pid)
        found = {kind: one for one in self.marked() if (kind := kind_of(one))}
        return found.get(name)

    def step(self) -> str:
        """The library's current step."""
        kernel = next((one for one in self.marked() if kind_of(one) == "kernel"), None)
        try:
            return Path(kernel.environ()["EVALPRESS_PROGRESS"]).read_text(encoding="utf-8") if kernel else ""
        except (OSError, KeyError, psutil.Error):
            return ""

    def reached(self, moment: str, victim: str, run: subprocess.Popen[str]) -> bool:
        """Whether the run is at a moment now, with the process that is to be hit."""
        if moment in SLOW:
            return self.mark.exists()
        if moment == "server start":
            return self.process(victim, run) is not None and self.process("server", run) is not None
        return STEPS[moment] in self.step()


def _alive(process: psutil.Process) -> bool:
    """Whether it runs, and is the one that it was: a number is given to another process later."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kind_of(process: psutil.Process) -> str:
    """kernel, server, engine core (of kernel or server), or nothing."""
    try:
        line, name = " ".join(process.cmdline()), process.name()
    except psutil.Error:
        return ""
    if "kernelapp.launch_new_instance" in line:
        return "kernel"
    if "api_server" in line:
        return "server"
    return "engine core" if "EngineCore" in line + name or "spawn_main" in line else ""


@contextmanager
def reports(root: Path, *, kept: bool = False) -> Iterator[bool]:
    """The reports' folder as a small disk of its own where this user may mount one; yields whether it is.

    Args:
        kept: the disk stays, and is used again where it is there.
    """
    folder = root / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_mount():
        yield True
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted and not kept:
            subprocess.run(["umount", "-l", str(folder)], check=False)
