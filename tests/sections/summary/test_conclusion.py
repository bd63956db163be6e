"""The conclusion, the key figures and the links of the summary."""

from __future__ import annotations

import pytest
from evalpress.sections.job import read_results
from evalpress.sections.registry import results_model
from evalpress.sections.summary import conclusion, gates, key_figures
from evalpress.sections.summary import tables as show
from evalpress.sections.summary.headline import headline
from evalpress.sections.summary.results import SummarySection
from filled import filled
from summary_samples import PUBLISHED, summary_of


def published(*names):
    return {name: read_results(PUBLISHED / f"{name}.json", name).data for name in names}


def measured(**data):
    """Results of some sections of which only these fields matter."""
    return {name: filled(results_model(name), found) for name, found in data.items()}


def said(data, sections=None, found=()):
    return [one.text for one in conclusion.clauses(data, sections or {}, found)]


BENCH = {
    "workloads": {"batch": {"kind": "throughput"}},
    "comparison": {
        "batch": {"output_throughput": {"ratio": 1.25, "ci_low": 1.13, "ci_high": 1.38, "n_pairs": 6}},
        "alone": {"output_throughput": {"ratio": 1.24, "ci_low": 0.9, "ci_high": 1.7, "n_pairs": 6}},
        "long": {"output_throughput": {"ratio": 1.3, "ci_low": 1.2, "ci_high": 1.4, "n_pairs": 6}},
    },
    "modes": {"eager": {"workloads": {"batch": {"output_throughput": 8927.2}}}},
}


def test_the_conclusion_of_a_good_report_word_for_word():
    found = measured(
        benchmark=BENCH,
        alignment={"candidates": {"vllm_compiled": {"noise_ratio": 0.68, "cosine_similarity": 0.999985}}},
        evidence={"determinism": [{"rung": "same_engine_again", "identical": 10, "of": 10}]},
        quality={"cases": [{"verdict": "pass"}] * 59 + [{"verdict": "fail"}] * 3 + [{"verdict": "cut"}]},
        serving={
            "levels": [{"mode": "compiled", "max_concurrency": 1, "slo_attainment": 1.0, "window_requests": 500}],
            "rates": [
                {"mode": "compiled", "request_rate": 100.0, "slo_attainment": 0.99, "window_requests": 500},
                {"mode": "compiled", "request_rate": 132.4, "slo_attainment": 0.7, "window_requests": 500},
            ],
        },
    )
    assert said(found) == [
        "Compiled mode generates 25 % more tokens per second than eager on batch (95 % interval +13 % to "
        "+38 %, 6 pairs of blocks).",
        "No difference in tokens per second between compiled and eager mode is shown on alone.",
        "The logits of compiled mode agree with the float32 reference within the noise of the data type "
        "(cosine similarity 0.999985).",
        "Asked again, the engine gives the same answer to 10 of 10 prompts.",
        "It passes 59 of 62 decided quality cases (1 cut at its token limit).",
        "If answers that were cut count as failed, it passes 59 of 63.",
        "Up to 100 requests per second 95 % of requests to the compiled server keep the SLO; at 132 they no longer do.",
    ]


def test_a_closed_loop_says_nothing_of_a_request_rate():
    """One request at a time keeps any SLO; requests that arrive at random at a lower rate may not."""
    levels = [
        {
            "mode": "compiled",
            "max_concurrency": 1,
            "request_throughput": 0.56,
            "slo_attainment": 1.0,
            "window_requests": 500,
        },
        {
            "mode": "compiled",
            "max_concurrency": 8,
            "request_throughput": 0.99,
            "slo_attainment": 0.0,
            "window_requests": 500,
        },
    ]
    rates = [
        {"mode": "compiled", "request_rate": 0.49, "slo_attainment": 0.25, "window_requests": 500},
        {"mode": "compiled", "request_rate": 0.89, "slo_attainment": 0.99, "window_requests": 500},
    ]
    assert said(measured(serving={"levels": levels, "rates": rates})) == [
        "At no measured load, from 0.49 requests per second on, do 95 % of requests to the compiled server keep the "
        "SLO."
    ]
    assert said(measured(serving={"levels": levels, "rates": []})) == [
        "Up to 1 request at a time 95 % of requests to the compiled server keep the SLO; at 8 they no longer do."
    ]


def test_the_conclusion_says_what_a_user_may_rely_on():
    said_of = "Identical when asked again; batching changes 5 of 10 answers, each at a near tie."
    assert said(measured(evidence={"reliance": said_of})) == [f"Answers at temperature 0: {said_of}"]


def test_the_conclusion_says_when_nothing_is_certain():
    unsure = {"ratio": 1.02, "ci_low": 0.97, "ci_high": 1.08, "n_pairs": 4}
    found = BENCH | {"comparison": {"batch": {"output_throughput": unsure}}}
    assert said(measured(benchmark=found)) == [
        "Compiled and eager mode show no certain difference in tokens per second on batch (95 % interval −3 % to +8 %, "
        "4 pairs of blocks)."
    ]
    assert said(measured(benchmark=BENCH | {"comparison": {}})) == [
        "In eager mode the model generates 8,927 tokens per second."
    ]


def test_the_conclusion_names_a_failed_section_and_a_failed_gate():
    found = measured(alignment={"candidates": {"vllm_eager": {"noise_ratio": 5.0}}})
    assert said(found, {"serving": SummarySection(status="failed", why="port in use")}) == [
        "The logits of eager mode differ from the float32 reference by 5.0 times the noise.",
        "The section serving failed and has no results.",
    ]


def test_a_failed_gate_is_part_of_the_conclusion_and_many_are_counted():
    bad = [gates.gate("quality", "pass_rate", "fail", 0.31234, "≥ 0.5"), gates.gate("setup", "x", "warn", 1, "0")]
    bad.append(gates.gate("serving", "section_done", "fail", "not finished: port in use", "finished with results"))
    found = measured(
        quality={"cases": [{"verdict": v} for v, n in {"pass": 5, "fail": 11, "cut": 2}.items() for _ in range(n)]}
    )
    failed = {"serving": SummarySection(status="failed", why="port in use")}
    assert " ".join(said(found, failed, bad)) == (
        "It passes 5 of 16 decided quality cases (2 cut at their token limit). "
        "If answers that were cut count as failed, it passes 5 of 18. "
        "The section serving failed and has no results. "
        "The gate pass rate fails: found 0.3123, allowed ≥ 0.5."
    )
    many = [gates.gate("alignment", f"decode.run_{i}.kl", "fail", None, "≤ 1") for i in range(5)]
    assert said({}, {}, many) == [
        "The gate decode, run 0, kl fails: found not measured, allowed ≤ 1.",
        "The gate decode, run 1, kl fails: found not measured, allowed ≤ 1.",
        "The gate decode, run 2, kl fails: found not measured, allowed ≤ 1.",
        "2 more gates fail.",
    ]


def test_the_conclusion_of_a_real_demo_report_word_for_word():
    names = ("benchmark", "alignment", "evidence", "quality", "serving")
    assert " ".join(said(published(*names))) == (
        "Compiled mode generates 25 % more tokens per second than eager on throughput (95 % interval +13 % to +38 %, "
        "6 pairs of blocks). "
        "The logits of compiled mode agree with the float32 reference within the noise of the data type "
        "(cosine similarity 0.999985). "
        "Asked again, the engine gives the same answer to 10 of 10 prompts. "
        "It passes 59 of 62 decided quality cases (3 waiting for a person). "
        "At 66.2 requests per second to the compiled server 100 of 100 counted requests kept the SLO, "
        "but the load was not constant; at 119 fewer than 95 % do."
    )


def test_the_conclusion_of_a_real_model_whose_modes_are_equally_fast_word_for_word():
    """SmolLM2-135M-Instruct in bfloat16 on a CPU: the speed and numerics that its report measured."""
    ratio = {"ratio": 0.965, "ci_low": 0.803, "ci_high": 1.161, "n_pairs": 4}
    run = {"noise_ratio": 1.03, "cosine_similarity": 0.999936}
    bench = BENCH | {"comparison": {"batch": {"output_throughput": ratio}}}
    found = measured(benchmark=bench, alignment={"candidates": {"vllm_eager": run, "vllm_compiled": run}})
    assert " ".join(said(found)) == (
        "Compiled and eager mode show no certain difference in tokens per second on batch (95 % interval −20 % to "
        "+16 %, 4 pairs of blocks). "
        "The logits of compiled mode agree with the float32 reference within the noise of the data type "
        "(cosine similarity 0.999936)."
    )


def test_the_published_report_has_a_conclusion_of_every_section():
    names = ("benchmark", "alignment", "evidence", "quality", "serving")
    assert {one.section for one in conclusion.clauses(published(*names), {})} == set(names)


def test_no_two_rows_of_the_headline_have_the_same_ratio():
    rows = headline(published("benchmark")["benchmark"], []).rows
    ratios = [row.ratio for row in rows if row.ratio is not None]
    assert len(set(ratios)) == len(ratios) == 2


def test_tiles_show_agreement_quality_and_serving_beside_speed():
    rates = [
        {"mode": "compiled", "request_rate": 60.0, "slo_attainment": 0.99, "window_requests": 500},
        {"mode": "compiled", "request_rate": 90.0, "slo_attainment": 1.0, "window_requests": 42},
    ]
    data = published("alignment", "quality") | measured(serving={"levels": [], "rates": rates})
    found = key_figures.figures(data)
    assert [(one.section, one.unit) for one in found] == [
        ("alignment", "cosine"),
        ("quality", "share"),
        ("serving", "req/s"),
    ]
    assert found[1].value == pytest.approx(59 / 62) and found[1].detail == "59 of 62 decided, 65 asked"
    assert found[2].value == 60.0 and found[2].detail == "compiled, not shown at 90"
    assert said({"serving": data["serving"]}) == [
        "Up to 60 requests per second 95 % of requests to the compiled server keep the SLO.",
        "At 90 requests per second to the compiled server 42 of 42 counted requests kept the SLO, too few to say that "
        "95 % do.",
    ]


def test_a_key_figure_names_no_change_that_the_run_does_not_show():
    row = {"label": "TTFT", "unit": "ms", "workload": "w", "eager": 485.3, "compiled": 436.6, "ratio": 0.897}
    for low, high, expected in (
        (0.744, 1.081, "compiled, no difference from eager shown"),
        (0.85, 0.95, "compiled, −10.3 % against eager"),
        (None, None, "compiled, −10.3 % against eager (no interval)"),
    ):
        ends = {"ci_low": low, "ci_high": high} | ({"ci_low_why": "few", "ci_high_why": "few"} if low is None else {})
        assert show.tiles(summary_of({"valid": True}, row | ends)).tiles[0].detail == expected


def test_a_start_names_its_compile_cache_and_the_cold_one_has_its_own_row():
    starts = {"startup": {"total_s": 89.19, "cold": False}, "startup_cold": {"total_s": 168.9, "cold": True}}
    modes = {"eager": {"startup": {"total_s": 23.97}}, "compiled": starts}
    rows = headline(measured(benchmark={"modes": modes})["benchmark"], []).rows
    assert [(row.label, row.eager, row.compiled) for row in rows] == [
        ("start-up, import to ready, warm", 23.97, 89.19),
        ("start-up, import to ready, empty compile cache", 23.97, 168.9),
    ]


def test_each_reason_of_the_verdict_links_to_its_section():
    row = {"label": "l", "unit": "u", "workload": "w", "eager_why": "x", "compiled_why": "x"}
    row |= {"ratio_why": "x", "ci_low_why": "x", "ci_high_why": "x"}
    made = summary_of({"valid": True}, row)
    made = made.model_copy(update={"gates": (gates.gate("quality", "pass_rate", "warn", 0.1, "0.5"),)})
    shown = show.verdict(made)._repr_mimebundle_()[0]
    link = "quality-table-categories"
    assert f'<a href="#{link}">Quality</a>' in shown["text/html"] and f"[Quality](#{link})" in shown["text/markdown"]
