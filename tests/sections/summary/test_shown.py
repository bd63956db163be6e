"""What the summary's tables show first, and what they leave out."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from evalpress import params
from evalpress.display.tables import Prose
from evalpress.params import overrides
from evalpress.sections.gate import gate
from evalpress.sections.summary import section as summary
from evalpress.sections.summary import tables
from evalpress.sections.summary.results import SummarySection
from summary_samples import summary_of

ROW = {"label": "l", "unit": "u", "workload": "w", "eager_why": "x", "compiled_why": "x"}
ROW |= {"ratio_why": "x", "ci_low_why": "x", "ci_high_why": "x"}


def made(**changes):
    return summary_of({"valid": True}, ROW).model_copy(update=changes)


def test_only_sections_that_are_not_done_are_listed():
    done, odd = SummarySection(status="done"), SummarySection(status="done", not_shown="no ink")
    failed = SummarySection(status="failed", why="port in use")
    shown = tables.sections(made(sections={"setup": done, "serving": failed, "quality": odd}))
    assert [row[0].text for row in shown.rows] == [
        "Serving",
        "Quality",
    ] and "The other section was measured" in shown.note
    assert isinstance(tables.sections(made(sections={"setup": done})), Prose)


def test_gates_that_do_not_hold_come_first_and_the_others_are_folded():
    found = [
        gate("setup", n, status, 0, "0") for n, status in (("a", "pass"), ("b", "warn"), ("c", "off"), ("d", "fail"))
    ]
    shown = tables.gates(made(gates=tuple(found)))
    assert [row[1] for row in shown.rows] == ["d", "b", "a", "c"]
    (row,) = tables.gates(made(gates=(gate("benchmark", "identities", "pass", 0, "0"),))).rows
    assert row[1] == "invariants"
    assert shown.fold.first == 2 and shown.fold.summary == "Gates that hold or are off: 2"
    assert tables.gates(made(gates=(found[3],))).fold is None


def test_a_gate_leads_to_the_table_of_what_it_judges():
    for section, name, place in (
        ("evidence", "abnormal_outputs", "evidence-table-abnormal"),
        ("evidence", "prefix_cache", "evidence-table-checks"),
        ("alignment", "decode.vllm_eager.kl_divergence", "alignment-table-decode"),
        ("quality", "reviews_pending", "quality-table-pending"),
        ("summary", "one_environment", "summary"),
    ):
        (row,) = tables.gates(made(gates=(gate(section, name, "fail", 1, "0"),))).rows
        assert row[-1].anchor == place


@pytest.mark.parametrize("why", ["other programs ran, so it is not shown", 'it\'s "odd": $HOME and $(ARGS)', "两 空格"])
def test_the_command_that_is_printed_gives_the_same_parameters_again(tmp_path, why):
    given = {"skip": {"serving": why}, "engine.max_num_seqs": 32}
    job = SimpleNamespace(params=params.load("demo").stated_at({}, given))
    command = summary._command(job)
    (tmp_path / "Makefile").write_text("report:\n\t@printf '%s\\0' $(ARGS)\n", encoding="utf-8")
    read = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    words = read.split("\0")[:-1]
    assert words[::2] == ["--param"] * 2
    assert overrides.parse(words[1::2]) == given
    shown = made(command=command, sections={"serving": SummarySection(status="skipped", why=why)})
    assert "Without it, they are measured" in tables.reproduce(shown).source
