"""The verb parse-log: recorded and constructed logs of starts, as issue reports and release notes show them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from evalpress import cli
from evalpress.cli import parse_log
from evalpress.core.errors import UserError
from evalpress.engine import log_lines, start_log

LOGS = Path(__file__).resolve().parents[1] / "data" / "ascend" / "startup"
EXPECTED = {
    "v0.11.0_tp2_capture.tsv": {"graph_capture_s": 22.0, "graph_capture_gib": 0.26, "captured_graphs": 11},
    "v0.18.0rc1_compiled.tsv": {
        "load_weights_s": 0.41,
        "compile_s": 14.03,
        "dynamo_s": 2.65,
        "backend_compile_s": 8.1,
        "graph_capture_s": 3.0,
        "model_weights_gib": 0.9277,
        "kv_cache_gib": 50.79,
        "kv_cache_tokens": 4437760,
        "max_concurrency": 1083.44,
        "graph_capture_gib": 0.15,
        "captured_graphs": 35,
        "total_s": 24.9,
    },
    "v0.18.0rc1_compiled_second_start.tsv": {
        "compile_cache": "not reused: this start compiled again",
        "compile_s": 13.9,
        "load_weights_s": 1.9,
        "cold": True,
    },
    "v0.23_npugraph_ex_warm.tsv": {
        "compile_s": 2.4,
        "activation_peak_gib": 0.22,
        "kv_cache_gib": 53.62,
        "load_weights_s": 0.7,
        "compile_cache": "used",
        "cold": False,
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_recorded_logs_give_their_figures(name, capsys):
    assert cli.main(["parse-log", str(LOGS / name), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {key: found[key] for key in EXPECTED[name]} == EXPECTED[name]
    for key in EXPECTED[name]:
        groups = [found[group] for group in ("startup", "memory", "compilation") if key in found[group]]
        assert [group[key] for group in groups] == [EXPECTED[name][key]]


def test_a_figure_that_holds_the_profiling_run_says_so(capsys):
    path = str(LOGS / "v0.18.0rc1_compiled.tsv")
    assert cli.main(["parse-log", path]) == 0
    assert "14.03 (includes the initial profiling run" in capsys.readouterr().out


def figures(text):
    log = start_log.parse(text)
    return log.startup | log.memory | log.compilation


def as_printed(name):
    """A recorded log without the seconds that were put before its lines."""
    lines = (LOGS / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t", 1)[1] for line in lines]


def same(found, name):
    """The figures that a log without exact times has, too."""
    timed = ("total_s",) if name != "v0.18.0rc1_compiled_second_start.tsv" else ("total_s", "load_weights_s")
    wanted = {key: value for key, value in EXPECTED[name].items() if key not in timed}
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 120, 132, 160])
@pytest.mark.parametrize("name", EXPECTED)
def test_lines_that_a_terminal_broke_give_the_same_figures(name, width):
    cut = [line[at : at + width] for line in as_printed(name) for at in range(0, len(line), width)]
    same(figures("\n".join(cut)), name)


@pytest.mark.parametrize("width", [72, 80, 100])
@pytest.mark.parametrize("name", EXPECTED)
def test_lines_that_were_broken_between_words_give_the_same_figures(name, width):
    cut = [part for line in as_printed(name) for part in textwrap.wrap(line, width, break_long_words=False)]
    same(figures("\n".join(cut)), name)


PREFIXES = {
    "colours": lambda line: f"\x1b[1;36m{line[:30]}\x1b[0;0m{line[30:]}",
    "colours whose first byte was lost": lambda line: f"[1;36m{line[:30]}[0;0m{line[30:]}",
    "colours as cat -v shows them": lambda line: f"^[[36m{line[:30]}^[[0m{line[30:]}",
    "docker compose": lambda line: f"vllm-ascend-1  | {line}",
    "kubernetes": lambda line: f"2026-04-10T08:00:26.123456789Z stdout F {line}",
    "journalctl": lambda line: f"Apr 10 08:00:26 host vllm[4242]: {line}",
    "a quotation": lambda line: f"> {line}",
    "a rank": lambda line: f"[rank0]:{line}",
    "line ends of another system": lambda line: f"{line}\r",
}


@pytest.mark.parametrize("way", PREFIXES)
@pytest.mark.parametrize("name", EXPECTED)
def test_what_other_programs_put_around_the_lines_changes_no_figure(name, way):
    same(figures("\n".join(map(PREFIXES[way], as_printed(name)))), name)


RANKS = """\
(Worker_DP0_TP0_EP0 pid=11) INFO 12-10 03:09:31 [runner.py:1] Loading model weights took 14.2500 GB
(Worker_DP0_TP1_EP1 pid=12) INFO 12-10 03:09:32 [runner.py:1] Loading model weights took 14.5000 GB
(Worker_DP0_TP0_EP0 pid=11) INFO 12-10 03:09:40 [worker.py:1] Available memory: 21474836480, total memory: 65452113920
(Worker_DP0_TP1_EP1 pid=12) INFO 12-10 03:09:40 [worker.py:1] Available memory: 10737418240, total memory: 65452113920
(EngineCore_DP0 pid=10) INFO 12-10 03:09:41 [kv_cache_utils.py:1] GPU KV cache size: 163,840 tokens
(Worker_DP0_TP0_EP0 pid=11) INFO 12-10 03:09:50 [runner.py:1] Graph capturing finished in 9 secs, took 0.20 GiB
(Worker_DP0_TP1_EP1 pid=12) INFO 12-10 03:09:51 [runner.py:1] Graph capturing finished in 10 secs, took 0.25 GiB
(RayWorkerWrapper pid=13, ip=10.0.0.2) INFO 12-10 03:09:52 [x.py:1] Graph capturing finished in 12 secs, took 0.21 GiB
"""


def test_of_several_ranks_the_largest_weights_the_smallest_cache_and_the_slowest_capture_count():
    found = figures(RANKS)
    assert (found["model_weights_gib"], found["kv_cache_gib"], found["kv_cache_tokens"]) == (14.5, 10.0, 163840)
    assert (found["graph_capture_s"], found["graph_capture_gib"]) == (12.0, 0.25)


def test_no_phase_is_negative_and_every_null_has_a_reason():
    for path in LOGS.glob("*.tsv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for cut in range(1, len(lines) + 1):
            log = start_log.parse("\n".join(lines[:cut]))
            for block in (log.startup, log.memory, log.compilation):
                for key, value in block.items():
                    if isinstance(value, (int, float)):
                        assert value >= 0, (path.name, cut, key)
                    if value is None:
                        assert block[f"{key}_why"], (path.name, cut, key)


def test_a_capture_that_freed_memory_is_no_negative_figure():
    log = start_log.parse("INFO 04-10 08:00:26 [x.py:1] Graph capturing finished in 3 secs, took -0.02 GiB")
    assert log.memory["graph_capture_gib"] is None
    assert "less than zero" in log.memory["graph_capture_gib_why"]


SERVER = """\
\x1b[1;36m(EngineCore_DP0 pid=7)\x1b[0;0m INFO 12-31 23:59:50 [core.py:103] Initializing a V1 LLM engine (v0.18.0) with
(EngineCore_DP0 pid=7) INFO 12-31 23:59:56 [model_runner_v1.py:2562] Starting to load model /m...
(EngineCore_DP0 pid=7) INFO 12-31 23:59:58 [model_runner_v1.py:2589] Loading model weights took 0.9277 GB
(EngineCore_DP0 pid=7) INFO 01-01 00:00:01 [worker.py:357] Available KV cache memory: 50.79 GiB
Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  50%|5    | 1/2 [00:00]\rCapturing CUDA graphs \
(mixed prefill-decode, PIECEWISE): 100%|##| 2/2 [00:01]
Capturing CUDA graphs (decode, FULL): 100%|##| 3/3 [00:01]
(EngineCore_DP0 pid=7) INFO 01-01 00:00:04 [x.py:1] Graph capturing finished in 2 secs, took 0.15 GiB
(EngineCore_DP0 pid=7) INFO 01-01 00:00:05 [core.py:281] init engine (profile, create kv cache, warmup model) took 9 s
"""
"""Dummy weights (no line has the seconds of loading), vLLM's own clock, colours, two graph modes, New Year."""


def test_times_come_from_vllms_clock_where_a_log_has_no_other():
    found = start_log.parse(SERVER).startup
    assert (found["load_weights_s"], found["engine_init_s"], found["total_s"]) == (2.0, 6.0, 15.0)
    assert (found["kv_cache_s"], found["captured_graphs"]) == (2.0, 5)


def test_the_last_of_several_starts_counts():
    second = SERVER.replace("0.9277", "1.5").replace("pid=7", "pid=8")
    log = start_log.parse(SERVER + second)
    assert (log.starts, log.memory["model_weights_gib"]) == (2, 1.5)


def test_ranks_that_work_together_count_once_and_models_of_one_rank_add_up():
    text = (
        "(Worker_TP0 pid=1) INFO 04-10 08:00:09 [l.py:1] Loading weights took 2.00 seconds\n"
        "(Worker_TP1 pid=2) INFO 04-10 08:00:09 [l.py:1] Loading weights took 2.50 seconds\n"
        "(Worker_TP0 pid=1) INFO 04-10 08:00:12 [l.py:1] Loading weights took 1.00 seconds\n"
        "(Worker_TP0 pid=1) INFO 04-10 08:00:19 [w.py:1] Available KV cache memory: 50.79 GiB\n"
        "(Worker_TP1 pid=2) INFO 04-10 08:00:19 [w.py:1] Available KV cache memory: 50.81 GiB\n"
    )
    log = start_log.parse(text)
    assert (log.startup["load_weights_s"], log.memory["kv_cache_gib"]) == (3.0, 50.79)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "file not found"),
        (b"", "found no line of a vLLM start"),
        (b"hello\n" * 5, "found no line of a vLLM start"),
        (b"\x7fELF\0\0", "found a binary file"),
    ],
)
def test_an_unusable_file_is_one_line_and_2(content, told, tmp_path, capsys):
    path = tmp_path / "x.log"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["parse-log", str(path), "--json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err


TRAFFIC = (
    "(APIServer pid=1) INFO 01-01 08:00:00 [loggers.py:123] Engine 000: Avg prompt throughput: 10.0 tokens/s, GPU KV "
    'cache usage: 0.0%\n(APIServer pid=1) INFO:     127.0.0.1:4242 - "POST /v1/completions HTTP/1.1" 200 OK\n'
)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_server_printed_for_days_changes_nothing_and_costs_little(name):
    """Every line of such a log was searched for every figure before: minutes."""
    plain = (LOGS / name).read_text()
    long = start_log.parse(plain + TRAFFIC * 11_000)
    short = start_log.parse(plain)
    assert (long.startup, long.memory, long.compilation, long.starts) == (
        *(short.startup, short.memory, short.compilation, short.starts),
    )
    kept = log_lines.read(plain + TRAFFIC * 11_000).lines
    assert len(kept) <= len(plain.splitlines()) + 12


def test_of_a_long_log_every_start_is_kept():
    plain = (LOGS / "v0.18.0rc1_compiled.tsv").read_text()
    assert start_log.parse(plain + TRAFFIC * 11_000 + plain).starts == 2


def test_a_file_as_another_system_writes_it_is_read(tmp_path, capsys):
    plain = (LOGS / "v0.18.0rc1_compiled.tsv").read_text()
    found = []
    for name, content in {
        "plain": plain.encode(),
        "line ends": plain.replace("\n", "\r\n").encode(),
        "powershell": plain.replace("\n", "\r\n").encode("utf-16"),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert cli.main(["parse-log", str(tmp_path / name), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1] == found[2]


def test_a_file_without_an_end_is_refused(capsys):
    assert cli.main(["parse-log", "/dev/zero"]) == 2
    assert "/dev/zero: found a binary file" in capsys.readouterr().err


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "large"
    path.write_text("INFO a line of a log\n" * 60_000)
    with pytest.raises(UserError, match="found more than 1 MiB"):
        parse_log.text_of(path, most_mib=1)


def test_a_line_without_an_end_is_cut():
    assert [len(text) for _, text in log_lines.read("x" * 5_000_000).lines] == [20_000]
