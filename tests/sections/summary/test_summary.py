"""Gates and verdict from results documents made for the purpose."""

from __future__ import annotations

import json

import pytest
from evalpress import params
from evalpress.core import results
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.evidence.results import Case, Check
from evalpress.sections.evidence.results import Results as Evidence
from evalpress.sections.job import Job
from evalpress.sections.registry import SUMMARY
from evalpress.sections.summary import gates
from evalpress.sections.summary import section as summary
from evalpress.sections.summary import tables as show
from evalpress.sections.summary.headline import headline
from evalpress.sections.summary.results import SummarySection
from filled import filled
from quality_samples import judged, results_of
from summary_samples import summary_of

CANDIDATE = {"cosine_similarity": 0.9999, "kl_divergence": 1e-4, "noise_ratio": 1.1, "flips": {"unexplained": 0}}


def alignment(noise_floor=None, layers=None, **changes):
    last = [{"prompt_id": "a", "token": 7}]
    tokens = {"reference": last, "vllm_compiled": last, "vllm_eager": last}
    run = CANDIDATE | changes
    found = {"candidates": {"vllm_compiled": run}, "last_tokens": tokens, "noise_floor": noise_floor, "layers": layers}
    return filled(Alignment, found)


def evidence(first=7, identical=2, eager=7):
    check = Check.model_construct(rung="same_engine_again", identical=identical, of=2, explained=0, unexplained=0)
    return Evidence.model_construct(
        mode="compiled",
        first_tokens={"compiled": {"a": first, "b": 1}, "eager": {"a": eager, "b": 1}},
        cases=[Case.model_construct(id="a", prompt="p", rendered_prompt="p", output_token_ids=[first, 1])],
        determinism=[check],
        abnormal=None,
    )


def status(data, name, demo):
    return {g.id: g.status for g in gates.evaluate(demo, data)}[name]


@pytest.fixture(scope="module")
def demo():
    return params.load("demo")


@pytest.mark.parametrize(
    ("changes", "gate", "expected"),
    [
        ({}, "vllm_compiled.cosine_similarity", "pass"),
        ({"cosine_similarity": 0.98}, "vllm_compiled.cosine_similarity", "fail"),
        ({"kl_divergence": 0.006}, "vllm_compiled.kl_divergence", "fail"),
        ({"flips": {"unexplained": 1}}, "vllm_compiled.unexplained_flips", "fail"),
        ({"noise_ratio": 2.5}, "vllm_compiled.noise_ratio", "warn"),
        ({"noise_ratio": 4.5}, "vllm_compiled.noise_ratio", "fail"),
        ({"noise_ratio": None}, "vllm_compiled.noise_ratio", "off"),
    ],
)
def test_alignment_gates_can_pass_and_fail(demo, changes, gate, expected):
    assert status({"alignment": alignment(**changes)}, gate, demo) == expected


def test_a_first_token_that_contradicts_the_logits_fails(demo):
    assert status({"alignment": alignment(), "evidence": evidence(7)}, "first_token_is_argmax", demo) == "pass"
    assert status({"alignment": alignment(), "evidence": evidence(8)}, "first_token_is_argmax", demo) == "fail"


def test_every_engine_is_held_against_its_own_logits(demo):
    def found(**tokens):
        data = {"alignment": alignment(), "evidence": evidence(**tokens)}
        return next(g.found for g in gates.evaluate(demo, data) if g.id == "first_token_is_argmax")

    assert found() == "2 of 2 prompts and engines agree"
    assert found(eager=8) == "contradiction in a (eager)"
    assert found(first=8) == "contradiction in a (compiled)"


def test_an_answer_that_changes_fails(demo):
    assert status({"evidence": evidence(identical=1)}, "repeats_identical", demo) == "fail"


def test_a_gate_switched_off_says_so(demo):
    off = demo.model_copy(update={"gates": demo.gates.model_copy(update={"cosine_similarity_min": None})})
    assert status({"alignment": alignment(cosine_similarity=0.1)}, "vllm_compiled.cosine_similarity", off) == "off"


def test_verdict_is_the_worst_gate():
    made = [gates.gate("s", "g", status, 1, "") for status in ("pass", "off")]
    assert summary.verdict(made) == "pass"
    assert summary.verdict([*made, gates.gate("s", "g", "warn", 1, "")]) == "warn"
    assert summary.verdict([*made, gates.gate("s", "g", "warn", 1, ""), gates.gate("s", "g", "fail", 1, "")]) == "fail"


def test_speed_is_not_valid_when_correctness_fails():
    found = [gates.gate("quality", "pass_rate", "fail", 0.1, "≥ 0.5")]
    assert headline(None, found).valid is False
    assert "quality.pass_rate" in headline(None, found).valid_why
    assert headline(None, [gates.gate("benchmark", "steadiness", "warn", 0, "")]).valid is True


@pytest.mark.parametrize(
    ("section", "gate"),
    [("quality", "pass_rate"), ("evidence", "repeats_identical"), ("alignment", "vllm_compiled.kl_divergence")],
)
def test_the_headline_table_is_marked_as_not_valid_in_html_and_markdown(section, gate):
    row = {"label": "output throughput", "unit": "tok/s", "workload": "w", "eager": 1.0, "compiled": 2.0}
    row |= {"ratio": 2.0, "ci_low": 1.9, "ci_high": 2.1}
    found = headline(None, [gates.gate(section, gate, "fail", 0, "")]).model_dump()
    table = show.headline(summary_of(found, row))
    tiles = show.tiles(summary_of(found, row))._repr_mimebundle_()[0]
    for text in (table.html(), table.markdown().replace("\\", "")):
        assert "not valid" in text
        assert f"{section}.{gate}" in text
    assert "not valid" in tiles["text/html"]
    assert "not valid" in tiles["text/markdown"]
    valid = show.headline(summary_of(headline(None, []).model_dump(), row))
    assert "not valid" not in valid.html() + valid.markdown()


def test_a_pass_rate_below_the_sets_limit_fails(demo):
    verdicts = ["pass"] * 7 + ["fail"] * 3 + ["needs_review"]
    cases = [judged(str(at), verdict) for at, verdict in enumerate(verdicts)]
    assert demo.gates.quality_pass_rate_min == 0.8
    assert status({"quality": results_of(cases)}, "pass_rate", demo) == "fail"
    assert status({"quality": results_of(cases[:8])}, "pass_rate", demo) == "pass"


def test_a_check_that_was_not_measured_is_no_gate(demo):
    found = evidence()
    found.determinism.append(Check.model_construct(rung="new_engine", identical=None, of=None))
    assert [g.id for g in gates.evaluate(demo, {"evidence": found})] == ["repeats_identical"]


def test_sections_without_results_or_marked_failed_fail_the_report(demo, tmp_path):
    job = Job(SUMMARY, demo, tmp_path, "auto")
    results.write_json(
        tmp_path / "results" / "status.json", {"sections": {"serving": {"status": "failed", "why": "port in use"}}}
    )
    built = summary.build(job)
    assert built.verdict == "fail"
    assert built.sections["serving"].why == "port in use"
    assert built.sections["benchmark"].status == "failed"
    done = next(one for one in built.gates if (one.section, one.id) == ("serving", "section_done"))
    assert (done.status, done.found, done.allowed) == ("fail", "not finished: port in use", "finished with results")
    assert json.loads((tmp_path / "summary.json").read_text()) == built.model_dump(mode="json", by_alias=True)


def test_skipped_sections_carry_their_reason(tmp_path):
    shape = params.load("qwen2-0.5b-shape")
    built = summary.build(Job(SUMMARY, shape, tmp_path, "auto"))
    assert built.sections["alignment"].status == "skipped"
    assert "random" in built.sections["alignment"].why
    assert "tokenizer" in built.sections["serving"].why


def test_limits_of_logits_grow_with_what_the_dtype_alone_costs(demo):
    """As for a mixture of experts, whose router flips at near ties; four times the noise floor's own is allowed."""
    floor = {"kl_divergence": 0.05, "cosine_similarity": 0.97}
    for found, expected in ((0.19, "pass"), (0.21, "fail")):
        data = alignment(floor, kl_divergence=found)
        assert status({"alignment": data}, "vllm_compiled.kl_divergence", demo) == expected
        assert status({"alignment": alignment(kl_divergence=found)}, "vllm_compiled.kl_divergence", demo) == "fail"
    for found, expected in ((0.89, "pass"), (0.87, "fail")):
        data = alignment(floor, cosine_similarity=found)
        assert status({"alignment": data}, "vllm_compiled.cosine_similarity", demo) == expected


def test_a_second_implementation_never_fails_the_verdict(demo):
    data = alignment(kl_divergence=1.0, stand_in=True, dtype="bfloat16")
    assert status({"alignment": data}, "vllm_compiled.kl_divergence", demo) == "off"


def test_a_float32_engine_is_not_judged_by_a_noise_ratio(demo):
    assert (
        status({"alignment": alignment(noise_ratio=50.0, dtype="float32")}, "vllm_compiled.noise_ratio", demo) == "off"
    )


def test_a_layer_beyond_the_noise_fails(demo):
    layers = {"candidates": {"transformers_cuda": {"first_beyond_noise": "layer 1 attention"}}}
    assert status({"alignment": alignment(layers=layers)}, "transformers_cuda.layers", demo) == "fail"
    layers["candidates"]["transformers_cuda"]["first_beyond_noise"] = None
    assert status({"alignment": alignment(layers=layers)}, "transformers_cuda.layers", demo) == "pass"


def test_an_answer_to_a_templated_prompt_is_not_held_against_the_plain_ones_logits(demo):
    found = evidence(8)
    found.cases[0] = found.cases[0].model_copy(update={"rendered_prompt": "<user>p"})
    ids = [g.id for g in gates.evaluate(demo, {"alignment": alignment(), "evidence": found})]
    assert "first_token_is_argmax" not in ids


# The run as a whole


def origin(**facts):
    return {"engine": {"vllm": "0.32.0", "torch": "2.13.0", "device": "A CPU"} | facts}


def run_gates(sections, origins):
    return {(g.section, g.id): g for g in gates.of_the_run(sections, origins)}


def test_sections_measured_with_other_versions_fail_the_report():
    same = run_gates({}, {"setup": origin(), "quality": origin()})["summary", "one_environment"]
    assert (same.status, same.found) == ("pass", "the same in all sections")
    mixed = run_gates({}, {"setup": origin(), "quality": origin(vllm="0.31.0")})["summary", "one_environment"]
    assert (mixed.status, mixed.found) == ("fail", "vllm: 0.32.0 (setup) and 0.31.0 (quality)")
    moved = run_gates({}, {"setup": origin(), "quality": origin(driver="1.0")})["summary", "one_environment"]
    assert (moved.status, moved.found) == ("fail", "driver: none (setup) and 1.0 (quality)")


def test_results_that_do_not_say_their_versions_are_a_warning():
    found = run_gates({}, {"setup": origin(), "quality": {}})["summary", "one_environment"]
    assert (found.status, found.found) == ("warn", "not recorded in quality")


def test_a_table_that_could_not_be_drawn_is_a_warning():
    state = SummarySection(status="done", not_shown="ValueError: no ink")
    found = run_gates({"quality": state}, {})["quality", "presentation"]
    assert (found.status, found.found) == ("warn", "ValueError: no ink")
    assert run_gates({"quality": SummarySection(status="done")}, {}) == {}


@pytest.mark.parametrize("text", ["null", "[]", "{", '{"sections": []}', '{"sections": {"setup": "done"}}', ""])
def test_a_status_file_of_another_shape_counts_as_none(demo, tmp_path, text):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "status.json").write_text(text)
    built = summary.build(Job(SUMMARY, demo, tmp_path, "auto"))
    assert built.sections["setup"].why == "there are no results of this section"


@pytest.mark.parametrize(
    "text", ["null", "{", '{"schema": "evalpress/quality/1"}', '{"schema": "evalpress/quality/99"}']
)
def test_results_that_cannot_be_used_make_their_section_failed(demo, tmp_path, text):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "quality.json").write_text(text)
    built = summary.build(Job(SUMMARY, demo, tmp_path, "auto"))
    assert built.sections["quality"].status == "failed" and "quality.json" in built.sections["quality"].why
    assert built.verdict == "fail"
