"""Prepare the Python environment: a locked virtual environment, or only what an existing interpreter lacks.

Run by make with the system's Python, before anything is installed, so it uses the standard library only. A
second run does nothing, in milliseconds.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
LOG = ROOT / ".cache" / "setup.log"
STAMP = "evalpress-setup.txt"
# For no device: what runs on the NPU comes from the plugin. PyPI's vllm is the build for CUDA (requirements/ascend.in).
ASCEND_VLLM = "git+https://github.com/vllm-project/vllm@v0.18.0"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
FREE_GIB = 6
TAIL_LINES = 15
# In an existing environment these packages are never changed, even where a notebook tool would need another version.
KEPT = {"numpy", "transformers", "safetensors", "pydantic", "pyyaml", "requests", "psutil"}


class SetupError(Exception):
    """One line that says what is missing and what to do."""


def main() -> int:
    """Set up what is missing; returns the exit status."""
    parser = argparse.ArgumentParser(description="Prepare the environment of this project.")
    parser.add_argument("--venv", default=".venv", help="folder of the environment; empty: use this interpreter")
    parser.add_argument("--backend", default="cpu", choices=("cpu", "cuda", "ascend"))
    parser.add_argument("--checks", action="store_true", help="with --venv '': also what tests and lint need")
    parser.add_argument("--wheels", default="", help="with --venv '': install from this folder, without a network")
    parser.add_argument("--collect", action="store_true", help="only fill --wheels with what this suite needs")
    arguments = parser.parse_args()
    try:
        if arguments.collect:
            _collect(arguments.wheels.strip())
        elif arguments.venv.strip():
            _locked(ROOT / arguments.venv.strip(), arguments.backend)
        else:
            _existing(arguments.checks, arguments.wheels.strip())
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up: stopped; the next make goes on with it", file=sys.stderr)
        return 130
    return 0


def _locked(venv: Path, backend: str) -> None:
    """A virtual environment with the locked requirements of `backend`."""
    lock, torch = REQUIREMENTS / (f"{backend}.txt"), REQUIREMENTS / (f"torch-{backend}.txt")
    if not lock.is_file():
        raise SetupError(f"BACKEND={backend}: no locked requirements ({lock.relative_to(ROOT)} is missing)")
    state = _digest([lock, torch, ROOT / "pyproject.toml", Path(__file__)], str(venv))
    if _is_stamped(venv, state):
        return
    problems = _missing_prerequisites(venv, backend)
    if problems:
        raise SetupError("\nset-up: ".join(problems))
    python = _python(venv)
    steps = Steps(3 + torch.is_file() + (backend == "ascend"))
    if not _works(python):
        steps.run(f"virtual environment in {venv.name}", [sys.executable, "-m", "venv", "--clear", str(venv)])
    else:
        steps.skip(f"virtual environment in {venv.name}")
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"]
    steps.run(f"locked packages of {lock.name}", [*pip, "--require-hashes", "-r", str(lock)])
    if torch.is_file():
        _install_torch(steps, pip, torch)
    if backend == "ascend":
        os.environ["VLLM_TARGET_DEVICE"] = "empty"
        steps.run("vLLM from its source", [*pip, "--no-build-isolation", ASCEND_VLLM])
    steps.run("this suite", [*pip, "--no-build-isolation", "--editable", str(ROOT)])
    (venv / STAMP).write_text(state, encoding="utf-8")


def _missing_prerequisites(venv: Path, backend: str) -> list[str]:
    """One line for each missing thing with which the set-up or the first report would fail."""
    found = []
    if importlib.util.find_spec("ensurepip") is None:
        found.append("Python's venv module is incomplete (Debian, Ubuntu: apt install python3-venv)")
    compiler = (os.environ.get("CXX") or "g++").split()[0]
    if backend == "cpu" and not shutil.which(compiler):
        found.append(
            f"a C++ compiler is needed by the compiled mode, {compiler} not found: install g++ or name one in CXX"
        )
    if backend == "cpu" and not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        found.append("Python's headers are needed by the compiled mode (Debian, Ubuntu: apt install python3-dev)")
    free = shutil.disk_usage(next(p for p in (venv, *venv.parents) if p.is_dir())).free / 2**30
    if free < FREE_GIB and not venv.is_dir():
        found.append(f"{FREE_GIB} GiB of free disk space are needed in {venv.parent}, found {free:.1f}")
    if venv.is_dir() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").is_file():
        found.append(f"{venv} is a folder but no virtual environment: name another, VENV=…")
    return found


def _install_torch(steps: Steps, pip: list[str], torch: Path) -> None:
    """From the places of pip's own configuration, else from PyTorch's index, which is given to this step only: pip
    repeats requests to an index that does not answer, for every package."""
    wanted = re.search(r"^torch==\S+", torch.read_text(encoding="utf-8"), re.MULTILINE)
    assert wanted is not None
    name = wanted.group()
    hashed = sys.version_info[:2] == (3, 11) and sys.platform == "linux" and platform.machine() == "x86_64"
    what = ["--require-hashes", "-r", str(torch)] if hashed else [name]
    if not hashed:
        print(f"  note: {name} is pinned by version only, its hash is known for Python 3.11 on Linux x86-64")
    if not steps.run(name, [*pip, "--retries", "1", *what], may_fail=True):
        steps.again()
        steps.run(name + " from PyTorch's index", [*pip, "--retries", "1", "--index-url", TORCH_INDEX, *what])


def _existing(checks: bool, wheels: str) -> None:
    """What running the suite needs and this interpreter's environment lacks, nothing else.

    `checks` adds what tests and lint need; `wheels` is a folder that `_collect` filled, instead of a network.
    """
    if wheels and not Path(wheels).is_dir():
        raise SetupError(f"WHEELS={wheels}: no such folder; make wheels fills one on a connected machine")
    wanted = [REQUIREMENTS / "suite.in", *([REQUIREMENTS / "dev.in"] if checks else [])]
    state = _digest([*wanted, ROOT / "pyproject.toml", Path(__file__)], sys.prefix)
    stamp = ROOT / ".cache" / (f"setup-{hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]}{'-checks' * checks}.txt")
    installed = {_normal(d.metadata["Name"]): d.version for d in importlib.metadata.distributions()}
    if "evalpress" in installed and stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    constraints = ROOT / ".cache" / "constraints.txt"
    constraints.parent.mkdir(exist_ok=True)
    constraints.write_text(constrained(installed, wanted), encoding="utf-8")
    steps = Steps(2)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    pip += ["--root-user-action", "ignore"]  # containers run as root
    if wheels:
        pip += ["--no-index", "--find-links", wheels]
    files = [argument for path in wanted for argument in ("-r", str(path))]
    steps.run("notebook tools that are missing", [*pip, "-c", str(constraints), *files])
    modern = int(installed.get("setuptools", "0").split(".")[0]) >= 71  # builds wheels without the package `wheel`
    isolation = ["--no-build-isolation"] if modern else []
    steps.run("this suite", [*pip, "--no-deps", *isolation, "--editable", str(ROOT)])
    stamp.write_text(state, encoding="utf-8")


def _collect(wheels: str) -> None:
    """Fill a folder with the wheels that an interpreter of this version, on this architecture, would lack."""
    if not wheels:
        raise SetupError("name the folder to fill: make wheels WHEELS=folder")
    steps = Steps(1)
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--dest", wheels]
    limits = Path(wheels) / "constraints.txt"
    given = ["-c", str(limits)] if limits.is_file() else []
    wanted = ["-r", str(REQUIREMENTS / "suite.in"), "setuptools>=71"]
    steps.run(f"wheels of {wheels}", [*pip, "--only-binary", ":all:", *given, *wanted])


def constrained(installed: dict[str, str], wanted: list[Path]) -> str:
    """A constraints file with the version of every installed package.

    Only tools that are too old for the suite may change, and never one of KEPT: torch, torch-npu, vLLM and
    their requirements cannot be replaced; pip fails instead.
    """
    from pip._vendor.packaging.requirements import Requirement

    lines = [line for path in wanted for line in path.read_text(encoding="utf-8").splitlines()]
    asked = [Requirement(line.partition("#")[0]) for line in lines if line and not line.startswith(("#", "-"))]
    found = {_normal(requirement.name): requirement.specifier for requirement in asked}
    old = {name for name in found if name in installed and not found[name].contains(installed[name], prereleases=True)}
    free = (old - KEPT) | {"evalpress", "pip"}
    version = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[A-Za-z0-9.]+)?")
    kept = sorted(name for name, number in installed.items() if name not in free and version.fullmatch(number))
    return "".join(f"{name}=={installed[name]}\n" for name in kept)


class Steps:
    """Numbered steps, one line each with the time they took; what they print goes to the log."""

    def __init__(self, count: int) -> None:
        self._count, self._number = count, 0
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_text("", encoding="utf-8")

    def again(self) -> None:
        """The next step replaces the one before."""
        self._number -= 1

    def skip(self, what: str) -> None:
        """A step whose work is already done."""
        self._number += 1
        self._say(what, "there")

    def run(self, what: str, command: list[str], may_fail: bool = False) -> bool:
        """Run a command; returns whether it succeeded.

        Raises:
            SetupError: it failed and may not; the end of its output was printed.
        """
        self._number += 1
        start = time.monotonic()
        with LOG.open("ab") as log:
            log.write(b"$ " + " ".join(command).encode() + b"\n")
            log.flush()
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            try:
                self._await(process, what, start)
            except BaseException:
                process.terminate()
                process.wait()
                raise
        outcome = "" if process.returncode == 0 else "  not found" if may_fail else "  failed"
        self._say(what, _clock(start) + outcome)
        if process.returncode != 0 and not may_fail:
            tail = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
            print("\n".join("    " + line for line in tail), file=sys.stderr)
            raise SetupError(f"{what} failed; all of its output: {LOG.relative_to(ROOT)}")
        return process.returncode == 0

    def _await(self, process: subprocess.Popen[bytes], what: str, start: float) -> None:
        while True:
            try:
                process.wait(1)
                return
            except subprocess.TimeoutExpired:
                if sys.stdout.isatty():
                    self._say(what, _clock(start), end="")

    def _say(self, what: str, state: str, end: str = "\n") -> None:
        begin = "\r\x1b[2K" if sys.stdout.isatty() else ""
        print(f"{begin}  set-up {self._number}/{self._count}  {what:<44} {state}", end=end, flush=True)


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _works(python: Path) -> bool:
    """Whether the interpreter there is of this version and has pip: an interrupted set-up may have left less."""
    code = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    try:
        return subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _is_stamped(venv: Path, state: str) -> bool:
    stamp = venv / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == state and _python(venv).exists()


def _digest(files: list[Path], place: str) -> str:
    found = hashlib.sha256((f"{place} {sys.version_info[:2]}").encode())
    for path in files:
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _clock(start: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - start), 60)
    return f"{minutes}:{seconds:02d}"


if __name__ == "__main__":
    sys.exit(main())
