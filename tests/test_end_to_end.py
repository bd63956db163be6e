"""The real report of the demo set: files, keys, recomputation from raw observations, staleness, failures."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import psutil
import pytest
from commands import GIVEN, SHORT, START, evalpress
from evalpress import model, params
from evalpress.core.paths import NOTEBOOKS, ROOT
from evalpress.sections.benchmark import observations, section
from evalpress.sections.benchmark.starts import Starts
from evalpress.sections.job import read_results
from evalpress.sections.quality import judging as quality
from evalpress.sections.registry import EXECUTION, SECTIONS, by_name
from nbclient import NotebookClient

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SPEEDS = (
    "output_throughput",
    "request_throughput",
    "total_token_throughput",
    "prefill_throughput",
    "decode_throughput",
)
SHOWS = re.compile(r"(?!feature_)\w*(tables|figures?)\.\w+\(")
"""Cells that always show something; optional parts of the benchmark show nothing where a set does not ask for them."""
PHASES_OF_A_MODE = ("compile_s", "graph_capture_s", "kv_cache_s")
STATISTICS = [
    f"{s}_{n}_ms"
    for s in ("mean", "median", "std", "min", "max", "p90", "p99")
    for n in ("ttft", "tpot", "itl", "e2el")
]


def data(report, section):
    return json.loads((report.folder / "results" / f"{section}.json").read_text(encoding="utf-8"))["data"]


def raw(report, name):
    return json.loads((report.folder / "results" / "raw" / f"{name}.json").read_text(encoding="utf-8"))


def test_every_file_of_the_contract_is_there(demo_report):
    for name in ("report.html", "report.md", "summary.json", "report_files"):
        assert (demo_report.folder / name).exists(), name
    for one in SECTIONS:
        document = read_results(demo_report.folder / "results" / f"{one.name}.json", one.name)
        assert document.provenance["digests"]["params"]
        assert document.provenance["versions"]["vllm"]
        assert document.provenance["environment"]["VLLM_USE_AOT_COMPILE"] == "0"  # the set gives it
        assert (demo_report.folder / "notebooks" / f"{one.notebook}.ipynb").is_file()
    assert list((demo_report.folder / "failed").glob("*.ipynb")) == []


def test_the_last_line_is_the_path_and_the_verdict(demo_report):
    summary = json.loads((demo_report.folder / "summary.json").read_text())
    assert summary["verdict"] in ("pass", "warn")
    assert demo_report.returncode == 0
    last = demo_report.stdout.strip().splitlines()[-1]
    assert "report.html" in last
    assert f"verdict {summary['verdict']}" in last


def test_benchmark_has_the_contracts_keys_and_recomputes_from_raw(demo_report):
    found, demo = data(demo_report, "benchmark"), params.load("demo", SHORT)
    for mode in ("eager", "compiled"):
        for workload in found["modes"][mode]["workloads"].values():
            assert {*SPEEDS, *STATISTICS, "duration", "completed", "failed"} <= set(workload)
        startup = found["modes"][mode]["startup"]
        phases = [v for k, v in startup.items() if k.endswith("_s") and k != "total_s" and v is not None]
        assert sum(phases) == pytest.approx(startup["total_s"])
    typed = read_results(demo_report.folder / "results" / "benchmark.json", "benchmark").data
    loaded = {
        name: section.LoadedMode(
            Starts(mode.startup, mode.startup_cold, mode.startup_cold_why, mode.startup_repeats_s),
            mode.memory,
            mode.compilation,
        )
        for name, mode in typed.modes.items()
    }
    blocks, curves = (observations.typed(raw(demo_report, f"benchmark-{name}")) for name in ("blocks", "scaling"))
    again = section.report(demo, model.facts(demo), loaded, blocks, typed.ceilings, None, curves)
    power = {key: getattr(typed, key) for key in ("energy", "energy_why", "energy_source", "energy_source_why")}
    assert again.model_copy(update=power).model_dump(mode="json") == found
    assert {identity["status"] for identity in found["identities"]} == {"ok"}
    assert [one.when for one in typed.ceilings.rounds] == [
        "before the workloads",
        "between the workloads of eager and compiled",
        "after the workloads",
    ]
    phases = {mode: sum(m["startup"][key] or 0 for key in PHASES_OF_A_MODE) for mode, m in found["modes"].items()}
    assert found["break_even"]["by_phases"]["extra_startup_s"] == pytest.approx(phases["compiled"] - phases["eager"])


def test_serving_recomputes_from_raw(demo_report):
    found = data(demo_report, "serving")
    closed = [(level, f"concurrency-{level['concurrency']}") for level in found["levels"]]
    for point, name in closed + [(rate, f"rate-{rate['share_of_saturation']:g}") for rate in found["rates"]]:
        repeats = raw(demo_report, f"serving-{point['mode']}-{name}")
        assert len(repeats) == point["repeats"] == params.load("demo", SHORT).serving.repeats
        counted = [_counted(kept) for kept in repeats]
        ttft, e2el, tokens, itl = (np.concatenate([part[key] for part in counted]) for key in range(4))
        timed = e2el > ttft  # not where the machine stalled the client, so that all tokens of an answer came at once
        tpot = ((e2el - ttft) / (tokens - 1))[timed]
        for name, values in (("ttft", ttft), ("tpot", tpot), ("itl", itl), ("e2el", e2el)):
            assert point[f"mean_{name}_ms"] == pytest.approx(values.mean(), rel=1e-6)
            expected = pytest.approx(np.percentile(values, 99), rel=1e-6) if len(ttft) >= 100 else None
            assert point[f"p99_{name}_ms"] == expected
        late = np.ones(len(ttft), bool)  # without a TPOT the limit is not known to be kept
        late[timed] = tpot > found["slo_ms"]["tpot"]
        good = (ttft <= found["slo_ms"]["ttft"]) & ~late
        assert point["slo_attainment"] == pytest.approx(good.mean())
        assert point["window_requests"] == len(ttft) and point["failed"] == 0
        assert point["output_throughput"] * point["duration"] == pytest.approx(point["total_output_tokens"])
        sent = sum(len(kept["start_times"]) for kept in repeats)
        assert point["num_prompts"] == point["whole_run"]["completed"] == sent
    assert {level["mode"] for level in found["levels"]} == {"eager", "compiled"}
    assert {one["status"] for one in found["identities"]} == {"ok"}  # the servers' own counters too
    for mode, server in found["servers"].items():
        assert server["started"] == "beside other sections"
        assert "--port 8000" in server["command"] and ":8000" in found["curl"]["command"]
        assert not server["base_url"].endswith(":8000"), mode


def _counted(kept):
    """TTFT and E2EL (ms), tokens and gaps (ms) of the requests sent in the window and ended in it."""
    sent, ended = np.array(kept["start_times"]), np.array(kept["end_times"])
    begin, end = kept["window"]
    inside = (sent >= begin) & (sent < min(sent[ended > end], default=np.inf))
    ttft = 1e3 * np.array(kept["ttfts"])
    e2el = ttft + 1e3 * np.array([sum(gaps) for gaps in kept["itls"]])
    gaps = 1e3 * np.concatenate([one for one, counts in zip(kept["itls"], inside, strict=True) if counts and sum(one)])
    return ttft[inside], e2el[inside], np.array(kept["output_lens"])[inside], gaps


def test_evidence_recomputes_from_raw(demo_report):
    found, kept = data(demo_report, "evidence"), raw(demo_report, "evidence-tokens")
    assert {c["id"]: list(c["output_token_ids"]) for c in found["cases"]} == kept["cases"]
    assert len(found["determinism"]) == 10
    for check in found["determinism"]:
        observed = kept["checks"][check["rung"]]
        baseline = kept["baselines"][observed["against"]]
        assert check["of"] == len(found["cases"])
        same = [all(run[n] == baseline[n][: len(run[n])] for run in observed["runs"]) for n in baseline]
        assert check["identical"] == sum(same)
        assert check["tokens"] >= (SHORT["evidence.check_tokens"] if check["identical"] == check["of"] else 100)
        assert check["explained"] + check["unexplained"] == check["of"] - check["identical"]


def test_alignment_recomputes_from_raw(demo_report):
    found, kept = data(demo_report, "alignment"), raw(demo_report, "alignment-positions")
    for name, run in found["candidates"].items():
        rows = [kept[name][text] for text in kept[name]]
        joined = {key: np.concatenate([np.asarray(row[key]) for row in rows]) for key in rows[0]}
        assert run["n_positions"] == len(joined["position"])
        assert run["mse"] == pytest.approx(joined["mse"].mean())
        assert run["rmse"] == pytest.approx(np.sqrt(joined["mse"].mean()))
        assert run["cosine_similarity"] == pytest.approx(joined["cosine_similarity"].mean())
        assert run["kl_divergence"] == pytest.approx(joined["kl_divergence"].mean())
        assert run["max_abs_err"] == joined["max_abs_err"].max()
        same = joined["top_ids"][:, 0, 0] == joined["top_ids"][:, 1, 0]
        assert run["top1_agreement"] == pytest.approx(same.mean())
        assert run["flips"]["total"] == int((~same).sum())
        assert -1 <= run["cosine_similarity"] <= 1


def test_quality_judges_again_from_raw(demo_report):
    found, kept = data(demo_report, "quality"), raw(demo_report, "quality-answers")["answers"]
    cases = quality.load_cases(params.load("demo", SHORT).quality.cases)
    outputs = {name: {k: v for k, v in answer.items() if k != "request"} for name, answer in kept.items()}
    judged = quality.judge(cases, outputs, quality.load_reviews(quality.path_of("demo")), "base")
    again = {name: row.model_dump(mode="json", by_alias=True) for name, row in quality.summarise(judged).items()}
    assert again == found["by_category"]
    assert {c["verdict"] for c in found["cases"]} >= {"pass", "fail", "needs_review"}


def test_the_first_greedy_token_is_the_arg_max(demo_report):
    gates = {g["id"]: g["status"] for g in json.loads((demo_report.folder / "summary.json").read_text())["gates"]}
    assert gates["first_token_is_argmax"] == "pass"


def test_nothing_changed_nothing_done(demo_report):
    before = {p: p.stat().st_mtime_ns for p in demo_report.folder.rglob("*") if p.is_file()}
    done = evalpress("report", "--set", "demo", "--reports-dir", str(demo_report.reports_dir), *GIVEN)
    assert done.returncode == 0
    assert "up to date" in done.stdout
    after = {p: p.stat().st_mtime_ns for p in demo_report.folder.rglob("*") if p.is_file()}
    assert {p for p in after if p.name != ".lock" and after[p] != before.get(p)} == set()


def test_it_renders_from_results_alone(demo_report, tmp_path):
    bare = tmp_path / "demo"
    shutil.copytree(demo_report.folder / "results", bare / "results")
    done = evalpress("render", "--set", "demo", "--reports-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr + done.stdout
    first = (demo_report.folder / "report.html").read_text(encoding="utf-8")
    again = (bare / "report.html").read_text(encoding="utf-8")
    assert again.count("<table>") == first.count("<table>") > 20
    assert again.count("<figure") == first.count("<figure") > 5


def test_a_notebook_opened_by_hand_loads_the_engine_that_it_needs(tmp_path):
    """As JupyterLab's «Run all» does: a kernel of its own, in the notebooks' folder."""
    notebook = nbformat.read(NOTEBOOKS / f"{by_name('evidence').notebook}.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    few = {"engine.modes": ["eager"], "evidence.mode": "eager", "evidence.check_tokens": 20, "evidence.repeats": 2}
    cell.source += f"\nreports_dir = {str(tmp_path)!r}\nmeasure = 'auto'\noverrides = {few!r}"
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    client.execute()
    shown = [c for c in notebook.cells if c.cell_type == "code" and SHOWS.match(c.source)]
    assert shown
    assert all(c.outputs and c.outputs[-1].output_type == "execute_result" for c in shown)
    assert read_results(tmp_path / "demo" / "results" / "evidence.json", "evidence").data.cases


def test_a_kernel_killed_in_the_benchmark_costs_that_section_only(demo_report, tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(demo_report.folder, folder)
    (folder / "results" / "benchmark.json").unlink()
    (folder / "notebooks" / "10_benchmark.ipynb").unlink()
    command = [sys.executable, "-m", "evalpress", "report", "--set", "demo", "--reports-dir", str(tmp_path), *GIVEN]
    running = subprocess.Popen(
        command, cwd=ROOT, env=START, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    kernel = _kernel_of(running.pid)
    time.sleep(5)
    os.kill(kernel, signal.SIGKILL)
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 1, output
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["verdict"] == "fail"
    assert summary["sections"]["benchmark"]["status"] == "failed"
    assert summary["sections"]["serving"]["status"] == "done"
    assert (folder / "failed" / "10_benchmark.ipynb").is_file()
    assert not (folder / "results" / "benchmark.json").exists()
    assert "failed" in (folder / "report.html").read_text(encoding="utf-8")
    planned = evalpress("report", "--set", "demo", "--reports-dir", str(tmp_path), "--dry-run", "--json", *GIVEN)
    todo = {row["section"]: row["todo"] for row in json.loads(planned.stdout)["sections"]}
    assert todo == {one.name: "measure" if one.name == "benchmark" else "current" for one in EXECUTION}


def _kernel_of(pid: int, timeout: float = 60) -> int:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for child in psutil.Process(pid).children(recursive=True):
            if any("ipykernel" in part for part in child.cmdline()):
                return child.pid
        time.sleep(0.2)
    raise AssertionError("no kernel was started")
