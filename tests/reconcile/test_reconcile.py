"""Result files of five clients over the same requests: recomputed, differences told, planted changes named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import client_databases
import client_files
import numpy as np
import pytest
from client_requests import Sent, simulated
from evalpress import cli
from evalpress.core.errors import UserError
from evalpress.reconcile import File, Row, reconcile

WRITERS: dict[str, Callable[[Path, list[Sent]], Path]] = {
    "vllm": client_files.vllm,
    "guidellm": client_files.guidellm,
    "aiperf": client_files.aiperf,
    "evalscope": client_databases.evalscope,
    "aisbench": client_databases.aisbench,
}
SENT = simulated()
DATA = Path(__file__).resolve().parents[1] / "data" / "clients"


def only(path: Path) -> File:
    (found,) = reconcile([path]).files
    return found


def row(file: File, name: str) -> Row:
    (found,) = [one for one in file.rows if one.name == name]
    return found


@pytest.mark.parametrize("tool", WRITERS)
def test_every_tool_gives_the_same_figures_under_vllms_definitions(tool: str, tmp_path: Path) -> None:
    found = only(WRITERS[tool](tmp_path, SENT))
    assert found.recomputed_from == "requests" and found.requests == len(SENT)
    expected = {
        "mean_ttft_ms": 1e3 * np.mean([one.ttft for one in SENT]),
        "p99_e2el_ms": 1e3 * np.percentile([one.e2el for one in SENT], 99),
        "mean_tpot_ms": 1e3 * np.mean([one.tpot for one in SENT]),
        "mean_itl_ms": 1e3 * np.mean([gap for one in SENT for gap in one.gaps]),
    }
    for key, value in expected.items():
        if tool == "guidellm" and "itl" in key:
            assert [one.why for one in found.not_recomputed if one.metric.startswith("itl")] == [
                "the file does not tell when each chunk came"
            ]
        else:
            assert found.vllm[key] == pytest.approx(value, rel=1e-4), key
    assert found.vllm["output_throughput"] == pytest.approx(
        sum(one.outputs for one in SENT) / max(one.sent + one.e2el for one in SENT), rel=0.02
    )


@pytest.mark.parametrize("tool", WRITERS)
def test_no_figure_of_an_unchanged_file_is_called_changed(tool: str, tmp_path: Path) -> None:
    found = only(WRITERS[tool](tmp_path, SENT))
    verdicts = {one.name: one.verdict for one in found.rows}
    assert set(verdicts.values()) <= {"same", "documented"}, verdicts
    assert len(found.rows) >= 12


def test_what_a_tool_documents_differently_is_told(tmp_path: Path) -> None:
    found = only(client_files.guidellm(tmp_path, SENT))
    told = row(found, "time_per_output_token_ms.mean")
    assert told.verdict == "documented" and "first token's time is included" in (told.definition or "")
    assert told.ratio is not None and told.ratio > 1.2
    assert "weighted" in (row(found, "inter_token_latency_ms.mean").definition or "")


def test_aiperfs_throughputs_are_over_its_phase_and_vllms_over_its_requests(tmp_path: Path) -> None:
    path = client_files.aiperf(tmp_path, SENT)
    found = row(only(path), "output_token_throughput")
    assert found.verdict == "documented" and "measured time" in (found.definition or "")
    assert found.ratio is not None and found.ratio < 1
    document = json.loads(path.read_text())
    del document["start_time"]  # an older file
    path.write_text(json.dumps(document))
    assert row(only(path), "output_token_throughput").verdict == "unexplained"


def test_files_of_one_run_are_read_together_whichever_is_named(tmp_path: Path) -> None:
    summary = client_files.aiperf(tmp_path, SENT)
    both = reconcile([summary, tmp_path / "profile_export.jsonl"])
    assert len(both.files) == 1 and len(both.files[0].files) == 2
    assert only(tmp_path).rows == both.files[0].rows


@pytest.mark.parametrize("tool", ["aiperf", "evalscope", "aisbench"])
def test_without_requests_the_means_are_used_where_outputs_have_one_length(tool: str, tmp_path: Path) -> None:
    sent = simulated(length=16)
    writer: Any = WRITERS[tool]
    path = writer(
        tmp_path, sent, **{{"aiperf": "records", "evalscope": "database", "aisbench": "details"}[tool]: False}
    )
    found = only(path)
    assert found.recomputed_from == "means"
    names = {"aiperf": "inter_token_latency.avg", "evalscope": "Avg TPOT (ms)", "aisbench": "TPOT Average"}
    assert row(found, names[tool]).verdict in ("same", "documented")
    assert any("no data of single requests" in one.why or "details" in one.why for one in found.not_recomputed)


def test_a_file_with_totals_only_says_what_cannot_be_recomputed(tmp_path: Path) -> None:
    found = only(client_files.vllm(tmp_path, SENT, detailed=False))
    assert found.recomputed_from == "totals"
    assert row(found, "output_throughput").verdict == "same"
    told = row(found, "mean_tpot_ms")
    assert told.verdict == "not_recomputed" and "--save-detailed" in (told.vllm_why or "")


def _edit(path: Path, *keys: str | int, value: Any) -> None:
    body = json.loads(path.read_text())
    part = body
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(body))


WITH_FIRST = 1e3 * float(np.mean([one.e2el / one.outputs for one in SENT]))
PER_REQUEST = 1e3 * float(np.mean([np.mean(one.gaps) for one in SENT]))
TOKENS = sum(one.outputs for one in SENT)
LAST_SENT = max(one.sent for one in SENT)


@pytest.mark.parametrize(
    ("tool", "keys", "value", "name", "words"),
    [
        ("vllm", ("mean_tpot_ms",), WITH_FIRST, "mean_tpot_ms", "first token's time is included"),
        ("vllm", ("mean_itl_ms",), PER_REQUEST, "mean_itl_ms", "(E2EL - TTFT) / (output tokens - 1)"),
        ("vllm", ("output_throughput",), TOKENS / LAST_SENT, "output_throughput", "last request sent"),
        (
            "aiperf",
            ("inter_token_latency", "avg"),
            WITH_FIRST,
            "inter_token_latency.avg",
            "first token's time is included",
        ),
        (
            "guidellm",
            ("benchmarks", 0, "metrics", "output_tokens_per_second", "successful", "mean"),
            TOKENS / LAST_SENT,
            "output_tokens_per_second.mean",
            "last request sent",
        ),
        ("evalscope", ("Avg TPOT (ms)",), round(WITH_FIRST, 2), "Avg TPOT (ms)", "first token's time is included"),
        (
            "aisbench",
            ("Output Token Throughput", "total"),
            f"{round(TOKENS / LAST_SENT, 4)} token/s",
            "Output Token Throughput",
            "last request sent",
        ),
    ],
)
def test_a_planted_change_of_definition_is_named(
    tool: str, keys: tuple[str | int, ...], value: Any, name: str, words: str, tmp_path: Path
) -> None:
    path = WRITERS[tool](tmp_path, SENT)
    _edit(path.with_suffix(".json"), *keys, value=value)
    found = reconcile([path])
    assert [one.name for _, one in found.wrong] == [name]
    assert found.wrong[0][1].verdict == "changed" and words in (found.wrong[0][1].definition or "")
    assert cli.main(["reconcile", str(path)]) == 1


def test_averages_over_chunks_that_hold_several_tokens_are_told_apart(tmp_path: Path) -> None:
    """Chunks of two tokens: the gaps are twice the time per token, and a file that swaps the two is named."""
    path = client_files.vllm(tmp_path, SENT)
    body = json.loads(path.read_text())
    body["output_lens"] = [2 * length for length in body["output_lens"]]
    body["total_output_tokens"] = sum(body["output_lens"])
    tpots = [1e3 * sum(gaps) / (n - 1) for gaps, n in zip(body["itls"], body["output_lens"], strict=True)]
    body["mean_tpot_ms"] = float(np.mean([1e3 * np.mean(gaps) for gaps in body["itls"]]))
    path.write_text(json.dumps(body))
    told = row(only(path), "mean_tpot_ms")
    assert told.verdict == "changed" and "averaged per request" in (told.definition or "")
    assert told.vllm == pytest.approx(np.mean(tpots))


def test_a_figure_that_no_definition_gives_is_unexplained(tmp_path: Path) -> None:
    path = client_files.vllm(tmp_path, SENT)
    _edit(path, "p99_ttft_ms", value=1.2345)
    ((_, told),) = reconcile([path]).wrong
    assert told.verdict == "unexplained" and told.name == "p99_ttft_ms"


def test_failed_requests_do_not_count(tmp_path: Path) -> None:
    path = client_files.vllm(tmp_path, SENT)
    body = json.loads(path.read_text())
    body["ttfts"].append(0.0)
    body["latencies"].append(0.0)
    for key, value in (
        ("itls", []),
        ("output_lens", 0),
        ("input_lens", 32),
        ("start_times", 1001.0),
        ("errors", "500"),
    ):
        body[key].append(value)
    path.write_text(json.dumps(body))
    found = only(path)
    assert {one.verdict for one in found.rows} <= {"same", "documented"}
    assert found.vllm["mean_ttft_ms"] == pytest.approx(1e3 * np.mean([one.ttft for one in SENT]))


def test_json_is_one_document_and_the_table_has_all_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for tool, writer in WRITERS.items():
        (tmp_path / tool).mkdir()
        paths.append(str(writer(tmp_path / tool, SENT)))
    assert cli.main(["reconcile", "--json", *paths]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [one["tool"] for one in files] == ["vllm bench serve", "GuideLLM", "AIPerf", "EvalScope perf", "AISBench"]
    assert cli.main(["reconcile", *paths]) == 0
    told = capsys.readouterr().out
    assert "under vLLM's definitions" in told and "mean_tpot_ms" in told


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"duration": 1', '{"benchmarks": [], "metadata": {}}'])
def test_a_file_of_no_known_tool_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(UserError, match="some.json") as error:
        reconcile([path])
    assert "\n" not in str(error.value)
    assert cli.main(["reconcile", str(path)]) == 2


@pytest.mark.parametrize("missing", ["nothing.json", "nothing"])
def test_a_missing_file_is_refused(missing: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing"):
        reconcile([tmp_path / missing])


@pytest.mark.parametrize(("folder", "name"), [("aisbench", "demo.csv"), ("evalscope", "")])
def test_files_that_the_tools_own_code_computed_are_explained(folder: str, name: str) -> None:
    found = only(DATA / folder / name)
    assert {one.verdict for one in found.rows} == {"same", "documented"} and len(found.rows) == 20
    assert found.requests == 40 and len(found.files) == 3
    assert found.vllm["mean_tpot_ms"] == pytest.approx(1e3 * np.mean([one.tpot for one in SENT]), rel=1e-6)
