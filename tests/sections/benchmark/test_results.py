"""The schema of results/benchmark.json: today's files, the last release's, and edited ones."""

from __future__ import annotations

import json

import pytest
import samples
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.core.results import Document, Model, nulls
from evalpress.sections.benchmark import engine_tables, figures, scaling_figures, scaling_tables, startup_figure, tables
from evalpress.sections.benchmark.results import Results
from evalpress.sections.job import read_results

VERSION_1 = ROOT / "tests" / "data" / "results" / "benchmark-version-1.json"
DRAWN = (
    figures.eager_vs_compiled, figures.throughput_bars, figures.latency_distribution, startup_figure.startup_phases,
    scaling_figures.scaling, scaling_figures.peak_rates,
)  # fmt: skip
WRITTEN = (
    tables.comparison, tables.workloads, tables.speed, tables.latency, tables.end_to_end, tables.identical_tokens,
    tables.invariants, scaling_tables.batch_scaling, scaling_tables.prompt_scaling, scaling_tables.output_scaling,
    engine_tables.startup, engine_tables.compilation, engine_tables.memory, engine_tables.peak_rates,
)  # fmt: skip


def show(document):
    """Every figure by its function; every table is written, too."""
    drawn = {draw: draw(document) for draw in DRAWN}
    assert all(figure.alt for figure in drawn.values())
    for write in WRITTEN:
        assert write(document).html() and write(document).markdown()
    assert engine_tables.break_even(document).source and engine_tables.topology(document).source
    return drawn


def keys(value, at=""):
    """Every key path of a JSON value."""
    if isinstance(value, dict):
        return {path for key, item in value.items() for path in ({f"{at}.{key}"} | keys(item, f"{at}.{key}"))}
    return {path for item in value for path in keys(item, at)} if isinstance(value, list) else set()


@pytest.mark.slow
def test_the_last_releases_file_is_read_with_every_key_and_shown():
    document = read_results(VERSION_1, "benchmark")
    assert document.data.modes["eager"].workloads["decode"].output_throughput > 0
    stored = json.loads(VERSION_1.read_text(encoding="utf-8"))["data"]
    assert keys(stored) <= keys(document.data.model_dump(mode="json"))
    show(document)


@pytest.mark.slow
def test_a_file_of_one_mode_without_peak_rates_is_read_and_shown(tmp_path):
    whole = json.loads(VERSION_1.read_text(encoding="utf-8"))
    data = whole["data"]
    del data["modes"]["compiled"]
    for workload in data["modes"]["eager"]["workloads"].values():
        for key in ("bandwidth_bound_tok_s", "arithmetic_bound_tok_s"):
            del workload[key]
    why = "only eager was measured (engine.modes)"
    nothing = dict.fromkeys(("extra_startup_s", "tokens", "seconds"))
    data |= {"comparison": {}, "comparison_why": why, "identical_tokens": {}, "ceilings": None, "ceilings_why": "off"}
    data["break_even"] = nothing | {f"{key}_why": why for key in nothing}
    data["scaling"] = {"batch": [], "prompt": [], "output": {}, "why": "benchmark.scaling is off"}
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    document = read_results(path, "benchmark")
    assert document.data.break_even.tokens_low_why == why
    show(document)


def test_an_edited_file_is_one_line_with_its_key(tmp_path):
    whole = samples.benchmark_json()
    whole["data"]["modes"]["eager"]["workloads"]["decode"]["duration"] = "long"
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(UserError, match=r"benchmark.json: data.modes.eager.workloads.decode.duration: found 'long'"):
        read_results(path, "benchmark")


def emptied(item):
    """Results with every value that may be null as null, with a reason."""
    if isinstance(item, dict):
        return {key: emptied(value) for key, value in item.items()}
    if isinstance(item, tuple):
        return [emptied(value) for value in item]
    if not isinstance(item, Model):
        return item
    fields = type(item).model_fields
    out = {name: emptied(getattr(item, name)) for name in fields if not name.endswith("_why")}
    nullable = [name for name in out if f"{name}_why" in fields and not isinstance(out[name], dict | list)]
    return out | nulls(nullable, "no device")


@pytest.mark.slow
def test_null_values_are_named_and_not_drawn_as_zero():
    whole = samples.benchmark_json() | {"data": emptied(samples.benchmark().data)}
    document = Document[Results].model_validate(whole)
    drawn = show(document)
    for draw in set(DRAWN) - {figures.latency_distribution, figures.throughput_bars}:
        assert "Not drawn:" in drawn[draw].caption and "no device" in drawn[draw].caption
    assert "Not drawn:" in drawn[figures.latency_distribution].caption
    assert "no device" in figures.throughput_bars(document, "decode_throughput").caption


def test_nothing_to_compare_is_said():
    whole = samples.benchmark_json()
    whole["data"] |= {"comparison": {}, "comparison_why": "only eager was measured"}
    document = Document[Results].model_validate(whole)
    assert "only eager was measured" in figures.eager_vs_compiled(document).caption


@pytest.mark.parametrize("extreme", [1e-300, 1e-7, 1e7, 1.7e308])
def test_extreme_intervals_are_drawn_and_written(extreme):
    whole = samples.benchmark_json()
    for compared in whole["data"]["comparison"].values():
        for found in compared.values():
            found |= {"ci_low": min(1 / extreme, extreme), "ci_high": max(1 / extreme, extreme)}
    document = Document[Results].model_validate(whole)
    drawn = figures.eager_vs_compiled(document).svg
    assert "×" in drawn and len(drawn) < 200_000
    assert tables.comparison(document).markdown()
