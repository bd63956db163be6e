"""Gates, verdict and headline from results documents made for the purpose."""

from __future__ import annotations

import json

import pytest
from evalpress import params
from evalpress.core import results
from evalpress.sections.job import Job
from evalpress.sections.registry import SUMMARY
from evalpress.sections.summary import gates
from evalpress.sections.summary import section as summary
from evalpress.sections.summary import tables as show

CANDIDATE = {"cosine_similarity": 0.9999, "kl_divergence": 1e-4, "noise_ratio": 1.1, "flips": {"unexplained": 0}}


def alignment(**changes):
    last = [{"prompt_id": "a", "token": 7}]
    return {
        "candidates": {"vllm_compiled": CANDIDATE | changes},
        "last_tokens": {"reference": last, "vllm_compiled": last, "vllm_eager": last},
    }


def evidence(first=7, identical=2, eager=7):
    rung = {"rung": "same_engine_again", "identical": identical, "of": 2}
    return {
        "mode": "compiled",
        "first_tokens": {"compiled": {"a": first, "b": 1}, "eager": {"a": eager, "b": 1}},
        "cases": [{"id": "a", "prompt": "p", "rendered_prompt": "p", "output_token_ids": [first, 1]}],
        "determinism": [rung],
    }


def status(data, name, demo):
    return {g["id"]: g["status"] for g in gates.evaluate(demo, data)}[name]


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
        ({"noise_ratio": None}, "vllm_compiled.noise_ratio", "fail"),
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
        return next(g["found"] for g in gates.evaluate(demo, data) if g["id"] == "first_token_is_argmax")

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
    assert summary.headline({}, found)["valid"] is False
    assert "quality.pass_rate" in summary.headline({}, found)["valid_why"]
    assert summary.headline({}, [gates.gate("benchmark", "steadiness", "warn", 0, "")])["valid"] is True


@pytest.mark.parametrize(
    ("section", "gate"),
    [("quality", "pass_rate"), ("evidence", "repeats_identical"), ("alignment", "vllm_compiled.kl_divergence")],
)
def test_the_headline_table_is_marked_as_not_valid_in_html_and_markdown(section, gate):
    row = {"label": "output throughput", "unit": "tok/s", "workload": "w", "eager": 1.0, "compiled": 2.0}
    row |= {"ratio": 2.0, "ci_low": 1.9, "ci_high": 2.1}
    found = summary.headline({}, [gates.gate(section, gate, "fail", 0, "")])
    table = show.headline({"headline": found | {"rows": [row]}})
    tiles = show.tiles({"headline": found | {"rows": [row]}})._repr_mimebundle_()[0]
    for text in (table.html(), table.markdown().replace("\\", "")):
        assert "not valid" in text
        assert f"{section}.{gate}" in text
    assert "not valid" in tiles["text/html"]
    assert "not valid" in tiles["text/markdown"]
    valid = show.headline({"headline": summary.headline({}, []) | {"rows": [row]}})
    assert "not valid" not in valid.html() + valid.markdown()


def test_a_pass_rate_below_the_sets_limit_fails(demo):
    cases = [{"verdict": "pass"}] * 7 + [{"verdict": "fail"}] * 3 + [{"verdict": "needs_review"}]
    assert demo.gates.quality_pass_rate_min == 0.8
    assert status({"quality": {"cases": cases}}, "pass_rate", demo) == "fail"
    assert status({"quality": {"cases": cases[:8]}}, "pass_rate", demo) == "pass"


def test_a_rung_that_was_not_measured_is_no_gate(demo):
    found = evidence()
    found["determinism"].append({"rung": "new_engine", "identical": None, "of": None})
    assert [g["id"] for g in gates.evaluate(demo, {"evidence": found})] == ["repeats_identical"]


def test_sections_without_results_or_marked_failed_fail_the_report(demo, tmp_path):
    job = Job(SUMMARY, demo, tmp_path, "auto")
    results.write_json(
        tmp_path / "results" / "status.json", {"sections": {"serving": {"status": "failed", "why": "port in use"}}}
    )
    built = summary.build(job)
    assert built["verdict"] == "fail"
    assert built["sections"]["serving"] == {"status": "failed", "why": "port in use"}
    assert built["sections"]["benchmark"]["status"] == "failed"
    assert json.loads((tmp_path / "summary.json").read_text()) == built


def test_skipped_sections_carry_their_reason(tmp_path):
    shape = params.load("qwen2-0.5b-shape")
    built = summary.build(Job(SUMMARY, shape, tmp_path, "auto"))
    assert built["sections"]["alignment"]["status"] == "skipped"
    assert "random" in built["sections"]["alignment"]["why"]
    assert "tokenizer" in built["sections"]["serving"]["why"]


def test_a_layer_beyond_the_noise_fails(demo):
    layers = {"candidates": {"transformers_cuda": {"first_beyond_noise": "layer 1 attention"}}}
    assert status({"alignment": alignment() | {"layers": layers}}, "transformers_cuda.layers", demo) == "fail"
    layers["candidates"]["transformers_cuda"]["first_beyond_noise"] = None
    assert status({"alignment": alignment() | {"layers": layers}}, "transformers_cuda.layers", demo) == "pass"


def test_an_answer_to_a_templated_prompt_is_not_held_against_the_plain_ones_logits(demo):
    found = evidence(8)
    found["cases"][0]["rendered_prompt"] = "<user>p"
    ids = [g["id"] for g in gates.evaluate(demo, {"alignment": alignment(), "evidence": found})]
    assert "first_token_is_argmax" not in ids
