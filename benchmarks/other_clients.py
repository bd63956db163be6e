"""GuideLLM and AIPerf as load clients: each in an environment of its own, its files read by `evalpress reconcile`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalpress.reconcile import File, reconcile

VERSIONS = {"guidellm": "guidellm==0.8.*", "aiperf": "aiperf==0.13.*"}


@dataclass(frozen=True)
class Load:
    """A closed loop: `concurrency` streams send the prompts, each answered by `output_len` tokens."""

    base_url: str
    model: str
    tokenizer: Path
    prompts: tuple[str, ...]
    output_len: int
    concurrency: int

    def rows(self, path: Path, text: str, tokens: str) -> Path:
        """The prompts as JSON Lines at `path`, under the names that a tool reads."""
        path.write_text("".join(json.dumps({text: one, tokens: self.output_len}) + "\n" for one in self.prompts))
        return path


def program(name: str, folder: Path) -> Path:
    """The tool's program; installed into `folder/<name>` from PyPI where it is not there yet (minutes, gigabytes)."""
    found = folder / name / "bin" / name
    if not found.is_file():
        print(f"installing {VERSIONS[name]} into {folder / name}", flush=True)
        venv.create(folder / name, with_pip=True)
        subprocess.run([folder / name / "bin" / "pip", "install", "--quiet", VERSIONS[name]], check=True)
    return found


def guidellm(tool: Path, load: Load, out: Path) -> Path:
    """Run GuideLLM's profile `concurrent`; its result file."""
    path = out / "benchmarks.json"
    rows = load.rows(out / "prompts.jsonl", "prompt", "output_tokens_count")
    asked = {
        "--backend": f"kind=openai_http,target={load.base_url},model={load.model},request_format=/v1/completions",
        "--profile": f"kind=concurrent,streams={load.concurrency}",
        "--constraint": f"kind=max_requests,count={len(load.prompts)}",
        "--tokenizer": f"kind=huggingface_auto,model={load.tokenizer}",
        "--data": f"kind=json_file,path={rows}",
        "--output": f"kind=json,path={path}",
    }
    _run([str(tool), "run", *(word for pair in asked.items() for word in pair), "--disable-console"])
    return path


def aiperf(tool: Path, load: Load, out: Path) -> Path:
    """Run AIPerf's closed loop; the folder of its result files."""
    asked: dict[str, object] = {
        "--model": load.model,
        "--url": load.base_url,
        "--endpoint-type": "completions",
        "--concurrency": load.concurrency,
        "--request-count": len(load.prompts),
        "--input-file": load.rows(out.with_suffix(".jsonl"), "text", "output_length"),
        "--custom-dataset-type": "single_turn",
        "--dataset-sampling-strategy": "sequential",
        "--tokenizer": load.tokenizer,
        "--ui": "none",
        "--artifact-dir": out,
    }
    fixed = [
        "--use-server-token-count",
        "--extra-inputs",
        "ignore_eos:true",
        "--extra-inputs",
        f"min_tokens:{load.output_len}",
        "--streaming",
    ]
    _run([str(tool), "profile", *(str(word) for pair in asked.items() for word in pair), *fixed])
    return out


CLIENTS: dict[str, Callable[[Path, Load, Path], Path]] = {"guidellm": guidellm, "aiperf": aiperf}


def run(name: str, tool: Path, load: Load, out: Path) -> File:
    """One run of a tool: its figures as it prints them (`rows`) and under vLLM's definitions (`vllm`)."""
    out.mkdir(parents=True)
    (file,) = reconcile([CLIENTS[name](tool, load, out)]).files
    return file


def _run(command: Sequence[str]) -> None:
    # AIPerf 0.13 takes no tokenizer by its path where these forbid the hub.
    env = {key: value for key, value in os.environ.items() if key not in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    env["no_proxy"] = "*"
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{(done.stderr or done.stdout)[-2000:]}")
