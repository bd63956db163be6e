"""Where a number comes from: suite, commit, digests, host, versions, environment variables, seeds, times."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from platform import machine

from evalpress import platforms
from evalpress.core import secrets
from evalpress.core.hashing import digest
from evalpress.core.paths import ROOT
from evalpress.core.plain import Json
from evalpress.core.version import __version__
from evalpress.params.schema import Params
from evalpress.platforms import host, versions


def git_state() -> dict[str, str | bool | None]:
    """Commit and dirty flag of the project's own checkout; null with why where it is none.

    Variables such as GIT_DIR and a repository around the project would name a commit that is not ours.
    """
    try:
        top = _git("rev-parse", "--show-toplevel")
        if Path(top).resolve() != ROOT:
            return _no_commit("not a git checkout of its own: the repository around it is another one")
        return {
            "commit": _git("rev-parse", "HEAD"),
            "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        }
    except FileNotFoundError:
        return _no_commit("git is not installed")
    except OSError as error:
        return _no_commit(f"git cannot be run: {error.strerror}")
    except subprocess.CalledProcessError as error:
        return _no_commit(_refusal(str(error.stderr)))


def _no_commit(why: str) -> dict[str, str | bool | None]:
    return {"commit": None, "commit_why": why, "dirty": None, "dirty_why": why}


def _refusal(told: str) -> str:
    """git's reason in one line of this suite, without this machine's paths."""
    if "dubious ownership" in told:
        return "git refuses: the checkout belongs to another user (git's safe.directory)"
    if "not a git repository" in told:
        return "not a git checkout"
    if "HEAD" in told:
        return "the git checkout has no commit yet"
    return "git gave no answer"


def _git(*args: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    argv = ["git", "-C", str(ROOT), *args]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env | {"LC_ALL": "C"})
    return done.stdout.strip()


_DECISIVE = (
    *("python", "vllm", "vllm_distribution", "vllm_ascend", "torch", "torch_npu", "triton_ascend"),
    *("transformers", "tokenizers", "cann"),
)


@cache
def engine_facts(backend: str) -> dict[str, str | int]:
    """What decides every measured number besides parameters, code and model: versions, device, driver, processor.

    Read once per process, at its start: an engine binds its threads and changes what a later reading would give.
    Keys that a host lacks (no driver on a CPU) are left out.
    """
    found: dict[str, str | int | None] = {name: versions.installed_versions().get(name) for name in _DECISIVE}
    platform = platforms.present(backend)
    found |= {
        "device": platform.name if platform.devices or backend == "cpu" else "none found",
        "device_count": len(platform.devices) or None,
        "driver": platform.devices[0].driver if platform.devices else None,
        "processor": host.cpu_model(),
        "usable_cores": host.usable_cores(),
        "architecture": machine(),
    }
    return {name: value for name, value in found.items() if value is not None}


def collect(params: Params, digests: dict[str, str], start: str, end: str) -> Json:
    """The `provenance` block of a results file."""
    probed = platforms.probe(params.platform.backend, params.engine.env)
    facts = engine_facts(params.platform.backend)
    return {
        "suite_version": __version__,
        "git": git_state(),
        "digests": digests,
        "set": params.set,
        "overrides": secrets.redacted(params.overrides),
        "host": probed.host.model_dump(mode="json"),
        "platform": params.platform.backend,
        "device": probed.device.model_dump(mode="json"),
        "engine": facts,
        "engine_digest": digest(facts),
        "versions": versions.installed_versions(),
        "environment": probed.environment,
        "seeds": {"engine": params.engine.seed},
        "start": start,
        "end": end,
    }
