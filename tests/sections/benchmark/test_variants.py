"""Two ways of compiling are modes of their own: in every table and figure, in the summary, the card and comparisons."""

from __future__ import annotations

import pytest
import samples
import serving_samples
import variant_samples
from evalpress.display.mode_style import style_of
from evalpress.report.compare import speed
from evalpress.sections.alignment.tables import name_of
from evalpress.sections.benchmark import engine_tables, figures, scaling_figures, scaling_tables, startup_figure, tables
from evalpress.sections.summary import conclusion, contradictions, key_figures
from evalpress.sections.summary import tables as shown
from evalpress.sections.summary.headline import headline
from filled import filled
from summary_samples import summary_of

TABLES = (
    tables.comparison, tables.speed, tables.latency, tables.end_to_end, tables.identical_tokens,
    engine_tables.startup, engine_tables.compilation, engine_tables.memory, engine_tables.break_even,
    scaling_tables.batch_scaling, scaling_tables.prompt_scaling, scaling_tables.output_scaling,
)  # fmt: skip
FIGURES = (
    figures.eager_vs_compiled, figures.throughput_bars, figures.latency_distribution, startup_figure.startup_phases,
    scaling_figures.scaling, scaling_figures.peak_rates,
)  # fmt: skip


@pytest.fixture(scope="module")
def document():
    return variant_samples.benchmark()


@pytest.mark.parametrize("table", TABLES, ids=lambda one: one.__name__)
def test_every_table_names_every_mode(document, table):
    page = table(document)._repr_mimebundle_()[0]["text/markdown"]
    assert all(name in page for name in variant_samples.NAMES), page
    assert "compiled" not in page.replace("when compiled", "").replace("compiled again", "")


@pytest.mark.slow
@pytest.mark.parametrize("draw", FIGURES, ids=lambda one: one.__name__)
def test_every_figure_draws_every_mode_in_a_colour_of_its_own(document, draw):
    figure = draw(document)
    assert all(name in figure.alt for name in (*variant_samples.NAMES, "eager")), figure.alt
    tones = {style_of(name, document.params).tone for name in (*variant_samples.NAMES, "eager")}
    assert len(tones) == 3
    if draw is not figures.eager_vs_compiled:  # whose colours say which mode is faster
        assert all(tone in figure.svg.lower() for tone in tones)


def test_a_set_without_variants_is_shown_as_before():
    document = samples.benchmark()
    assert list(document.data.pairs) == ["compiled"]
    page = tables.comparison(document).markdown()
    assert "Eager against compiled" in page and "mode" not in page.split("---")[0]
    assert figures.eager_vs_compiled(document).alt.startswith("Speed-up of compiled over eager, 5 workloads")


def test_the_headline_has_each_variant_against_eager(document):
    rows = headline(document.data, []).rows
    assert [(row.mode, row.ratio is not None) for row in rows[:2]] == [("piecewise", True), ("full", True)]
    assert [row.ratio for row in rows if row.mode == "full"][0] == 0.5
    summary = summary_of({"valid": True}, rows[1].model_dump())
    page = shown.headline(summary).markdown() + shown.tiles(summary)._repr_mimebundle_()[0]["text/markdown"]
    assert "full" in page and "−50.0 %" in page and "compiled" not in page


def test_the_conclusion_speaks_of_each_variant(document):
    said = [text for _, text in conclusion._sentences({"benchmark": document.data})]
    assert said[0].startswith("Piecewise mode generates")
    assert said[1].startswith(
        "Full mode generates 50 % fewer tokens per second than eager on throughput (95 % interval"
    )


def test_logits_of_each_variant_are_told():
    from evalpress.sections.alignment.results import Results, Run

    run = filled(Run, {"cosine_similarity": 0.9999, "noise_ratio": 1.0})
    bad = filled(Run, {"cosine_similarity": 0.5, "noise_ratio": 90.0})
    found = filled(Results).model_copy(
        update={"candidates": {"vllm_eager": run, "vllm_piecewise": run, "vllm_full": bad}}
    )
    said = [text for _, text in conclusion._sentences({"alignment": found})]
    assert "piecewise mode agree" in said[0] and "full mode differ from the float32 reference by 90.0" in said[1]
    told = key_figures.figures({"alignment": found})
    assert [(one.value, one.detail.split(",")[0]) for one in told] == [(0.9999, "piecewise"), (0.5, "full")]
    assert name_of("vllm_full") == "vLLM, full"


def test_a_contradiction_of_one_variant_is_named_with_it(document):
    rates = (
        serving_samples.rate("piecewise", 9.0, slo_attainment=1.0),
        serving_samples.rate("full", 9.0, slo_attainment=1.0, slo_attainment_low=0.9),
        serving_samples.rate("eager", 8.0, slo_attainment=0.6, slo_attainment_high=0.7),
    )
    level = serving_samples.results().levels[0]
    levels = tuple(level.model_copy(update={"mode": mode}) for mode in ("piecewise", "full", "eager"))
    serving = serving_samples.results(
        rates=rates, levels=levels, saturation=serving_samples.load.saturation(levels), http_cost=()
    )
    (gate,) = contradictions.gates({"benchmark": document.data, "serving": serving})
    assert gate.status == "warn" and "the full server for 100.0%" in gate.found and "piecewise" not in gate.found


def test_two_reports_are_compared_variant_by_variant(document):
    data = document.data
    found = [row for name in data.workloads for row in speed._changes(name, data, data, "")]
    assert {row.metric for row in found} == {
        f"benchmark.speed_up.{mode}.{name}" for mode in variant_samples.NAMES for name in data.workloads
    }
