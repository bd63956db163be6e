"""Whole reports over tiny random models of many architectures: whether every verdict and every fact is right.

    python benchmarks/tiny_models.py [NAME ...] [--out .cache/tiny-models] [--list] [--serving] [--rows FILE.jsonl]

Each model is built with transformers, saved in bfloat16 with the demo model's tokenizer, and evaluated by
`evalpress report` with a set of its own: one engine mode, few tokens, no scaling, no server unless --serving. A row per
model says the verdict, the gates that are not `pass`, the facts beside independent counts (parameters: `numel` of the
module that was built, a shared tensor once; KV bytes per token: the engine's own cache, bytes over tokens) and the
wall time. Exit status 1 where a report ends in another way than its row expects, or a fact differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from evalpress.cli.facts import document
from evalpress.core.paths import ROOT
from tiny_configs import LENGTH, MODELS

DEMO = ROOT / "models" / "demo"
GIB = 2**30


@dataclass(frozen=True)
class Row:
    """The outcome of one report. `facts` holds the report's figure and the independent one."""

    name: str
    architecture: str
    verdict: str
    gates: dict[str, str]
    sections: dict[str, str]
    facts: dict[str, tuple[Any, Any]]
    wall_s: float
    told: str = ""

    @property
    def differing(self) -> list[str]:
        return [key for key, (ours, theirs) in self.facts.items() if None not in (ours, theirs) and ours != theirs]


def build(name: str, folder: Path, seed: int = 7, dtype: str = "") -> tuple[str, int]:
    """Save the model; its architecture and the parameters that torch counts."""
    import torch
    import transformers

    tiny = MODELS[name]
    torch.manual_seed(seed)
    config = getattr(transformers, tiny.config)(**tiny.values)
    auto = transformers.AutoModelForMaskedLM if tiny.refused else transformers.AutoModelForCausalLM
    model: Any = auto.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                weight.normal_(0, tiny.std)
    model.to(getattr(torch, dtype or tiny.dtype)).save_pretrained(folder)
    for file in DEMO.glob("*token*"):
        shutil.copy(file, folder)
    return type(model).__name__, sum({id(p): p.numel() for p in model.parameters()}.values())


def params_file(name: str, folder: Path, *, serving: bool) -> Path:
    """The set: whole, and as short as a report can be."""
    tiny = MODELS[name]
    short = {"num_prompts": 1, "input_len": 16, "output_len": 16}
    workloads = {
        "throughput": short | {"num_prompts": 4, "output_len": 8},
        "prefill": short | {"input_len": 64, "output_len": 2},
        "decode": short,
    }
    own = {
        "extends": "base",
        "title": f"Tiny random model: {name}",
        "model": {"path": str(folder / "model"), "name": f"tiny {name}"},
        "platform": {"backend": "cpu"},
        "engine": {
            "dtype": tiny.dtype,
            "modes": [tiny.mode],
            "env": {"VLLM_USE_AOT_COMPILE": "0", **tiny.environment},
            "kv_cache_gib": 0.0625,
            "max_num_seqs": 8,
            "max_model_len": LENGTH,
        },
        "benchmark": {
            "blocks": 2,
            "scaling": None,
            "workloads": workloads | dict.fromkeys(("e2e_16", "e2e_64", "e2e_256")),
        },
        "serving": {
            "modes": [tiny.mode],
            "concurrency": [1, 4],
            "rate_shares": [0.5],
            "rate_seconds": 1.0,
            "repeats": 1,
            "requests_per_level": 4,
            "input_len": 32,
            "output_len": 8,
            "slo_search": None,
            "starts": {"cold": 0, "warm": 0},
        },
        "evidence": {"mode": tiny.mode, "max_tokens": 16, "check_tokens": 150, "repeats": 2},
        "alignment": {"vllm_positions": 8, "max_position": 96, "decode_tokens": 12},
        "quality": {"mode": tiny.mode, "cases": ["params/quality/card.yaml"]},
        "report": {"languages": ["en"]},
        "skip": {} if serving else {"serving": "the facts and verdicts of the other sections are of interest"},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(own), encoding="utf-8")
    return path


def measure(name: str, folder: Path, *, serving: bool) -> Row:
    """Build one model and run its report."""
    folder.mkdir(parents=True, exist_ok=True)
    architecture, parameters = build(name, folder / "model")
    path = params_file(name, folder, serving=serving)
    command = [sys.executable, "-m", "evalpress", "report", "--set", str(path), "--reports-dir", str(folder)]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.monotonic() - start
    (folder / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    report = folder / name
    if not (report / "summary.json").is_file():
        told = [line for line in (done.stdout + done.stderr).strip().splitlines() if line.strip()]
        return Row(name, architecture, f"exit {done.returncode}", {}, {}, {}, wall, told[-1] if told else "")
    summary = _json(report / "summary.json")
    return Row(
        name=name,
        architecture=architecture,
        verdict=summary["verdict"],
        gates={g["id"]: f"{g['status']}: {g['found']}" for g in summary["gates"] if g["status"] not in ("pass", "off")},
        sections={key: str(one.get("failed") or one) for key, one in summary["sections"].items() if one.get("failed")},
        facts=_facts(name, report, folder / "model", parameters),
        wall_s=wall,
    )


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _facts(name: str, report: Path, model: Path, parameters: int) -> dict[str, tuple[Any, Any]]:
    """Figure -> the report's and an independent one."""
    setup = _json(report / "results" / "setup.json")["data"]["model"]
    found: dict[str, tuple[Any, Any]] = {"parameters": (setup["parameters"], parameters)}
    path = report / "results" / "benchmark.json"
    if path.is_file():
        memory = _json(path)["data"]["modes"][MODELS[name].mode]["memory"]
        tokens, size = memory.get("kv_cache_tokens"), memory.get("kv_cache_gib")
        # Where some layers keep a window only, the engine's tokens are those of requests of one length.
        engine = size * GIB / tokens if tokens and size and document(model, None, None)["kv_is_uniform"] else None
        ours = setup["kv_bytes_per_token"]
        near = engine is not None and ours is not None and abs(engine / ours - 1) < 0.01 if ours else False
        found["kv_bytes_per_token"] = (ours, ours if near else engine)
    return found


def rows(names: list[str], out: Path, *, serving: bool) -> Iterator[Row]:
    """One row per model, as each report ends."""
    for name in names:
        shutil.rmtree(out / name, ignore_errors=True)
        yield measure(name, out / name, serving=serving)


def right(row: Row) -> bool:
    """Whether a model was measured without a failed gate or section, or refused as it must be, and the facts agree."""
    refused = MODELS[row.name].refused
    if refused:
        return row.verdict == "exit 2" and refused in row.told
    if MODELS[row.name].fails:
        return row.verdict == "fail" and row.gates.get(MODELS[row.name].fails, "").startswith("fail")
    failed = [gate for gate in row.gates.values() if gate.startswith("fail")]
    return row.verdict in ("pass", "warn") and not failed and not row.sections and not row.differing


def shown(row: Row) -> str:
    """One line, and one more for each gate or fact that is not as it should be."""
    lines = [
        f"{'ok ' if right(row) else 'BAD'} {row.name:<14} {row.architecture:<26} {row.verdict:<7} {row.wall_s:4.0f} s"
    ]
    lines[0] += (
        "  " + ", ".join(f"{key} {ours} ({theirs})" for key, (ours, theirs) in row.facts.items()) + row.told[:200]
    )
    lines += [f"      {gate}: {found[:150]}" for gate, found in (row.gates | row.sections).items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "tiny-models")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--serving", action="store_true", help="with a server and load on it")
    parser.add_argument("--rows", type=Path, help="append each row to this file, one JSON object a line")
    options = parser.parse_args()
    if options.list:
        print("\n".join(MODELS))
        return 0
    if unknown := set(options.names) - set(MODELS):
        parser.error(f"{', '.join(sorted(unknown))}: allowed {', '.join(MODELS)}")
    every = True
    for row in rows(options.names or list(MODELS), options.out, serving=options.serving):
        every = every and right(row)
        print(shown(row), flush=True)
        if options.rows:
            with options.rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(dataclasses.asdict(row), ensure_ascii=False) + "\n")
    return 0 if every else 1


if __name__ == "__main__":
    sys.exit(main())
