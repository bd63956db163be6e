"""The scores of a card in the forms of others, each read by its own parser or schema."""

from __future__ import annotations

import json
import shutil

import jsonschema
import pytest
import yaml
from evalpress.core.paths import ROOT
from evalpress.report.card import make, records
from evalpress.report.card.scores import Score, scores
from evalpress.report.card.source import read
from huggingface_hub import ModelCard
from huggingface_hub._eval_results import parse_eval_result_entries
from pymarkdown.api import PyMarkdownApi

pytestmark = pytest.mark.slow

PUBLISHED = ROOT / "tests" / "data" / "report-0.1.0"
SCHEMA = json.loads((ROOT / "tests" / "data" / "every_eval_ever" / "eval.schema.json").read_text(encoding="utf-8"))


def changed(path, change):
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def row(task, metric, value, n, **more):
    nulls = {
        "n_shot": 5,
        "stderr": 0.01,
        "ours": None,
        "ours_n": None,
        "published": [],
        "output_type": "generate_until",
    }
    nulls |= {"ours_why": "no multiple choice", "ours_n_why": "no multiple choice"}
    return {"task": task, "metric": metric, "filter": "none", "value": value, "n": n, "version": 1.0} | nulls | more


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report with a registered benchmark asked whole, one asked in part, a perplexity and HumanEval."""
    folder = tmp_path_factory.mktemp("reports") / "demo"
    shutil.copytree(PUBLISHED, folder, ignore=shutil.ignore_patterns("raw*"))

    def more(document):
        data = document["data"]
        data["standard_tasks"]["rows"] += [
            row("gsm8k", "exact_match", 0.7656, 1319, filter="strict-match"),
            row("gsm8k", "exact_match", 0.8105, 1319, filter="flexible-extract"),
            row("mmlu_pro", "exact_match", 0.5, 100, filter="custom-extract"),
            row("wikitext", "word_perplexity", 12.5, 62, stderr=None, stderr_why="not given", n_shot=0),
        ]
        greedy = {"k": 1, "greedy": True, "value": 0.175, "ci_low": 0.09, "ci_high": 0.32}
        data["human_eval"] = {
            "source": "data file", "n": 40, "samples": 0, "temperature": 0.8, "scores": [greedy], "problems": [],
            "raw": "raw/quality-human_eval.json",
        }  # fmt: skip

    changed(folder / "results" / "quality.json", more)
    make(folder)
    return folder


@pytest.fixture(scope="module")
def found(report):
    return {(one.task, one.metric): one for one in scores(read(report))}


def test_every_score_says_what_it_is_of(found):
    strict = found["gsm8k", "exact_match,strict-match"]
    assert (strict.percent, strict.n_shot, strict.dataset, strict.limited) == (76.56, 5, "openai/gsm8k", False)
    assert found["mmlu_pro", "exact_match,custom-extract"].limited
    perplexity = found["wikitext", "word_perplexity,none"]
    assert (perplexity.kind, perplexity.higher_is_better, perplexity.percent) == ("other", False, 12.5)
    assert found["human_eval", "pass@1,greedy"].limited


def test_the_model_index_is_read_by_the_hub(report):
    data = ModelCard((report / "card" / "README.md").read_text(encoding="utf-8")).data
    read_back = {(one.dataset_type, one.metric_name.split(" ")[0]): one.metric_value for one in data.eval_results}
    assert read_back["openai/gsm8k", "exact_match,strict-match"] == 76.56
    assert read_back["openai/openai_humaneval", "pass@1,greedy"] == 17.5
    assert {one.task_type for one in data.eval_results} == {"text-generation"}
    assert "accuracy" in data.metrics


def test_only_registered_benchmarks_that_were_asked_whole_are_sent_to_leaderboards(report):
    (path,) = (report / "card" / ".eval_results").iterdir()
    (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert (path.name, entry.dataset_id, entry.task_id, entry.value) == ("gsm8k.yaml", "openai/gsm8k", "gsm8k", 76.56)
    assert "5-shot" in entry.notes and entry.date.startswith("20")


def test_each_task_has_a_record_with_its_uncertainty(report):
    files = {path.stem: json.loads(path.read_text()) for path in (report / "card" / "every_eval_ever").iterdir()}
    assert set(files) == {"evalpress_facts", "gsm8k", "mmlu_pro", "wikitext", "human_eval", "evalpress_cases"}
    for record in files.values():
        jsonschema.Draft7Validator(SCHEMA).validate(record)
        assert record["schema_version"] == SCHEMA["version"]
        assert all(one["score_details"]["uncertainty"] for one in record["evaluation_results"])
    gsm8k = files["gsm8k"]["evaluation_results"]
    assert [one["score_details"]["score"] for one in gsm8k] == [0.7656, 0.8105]
    assert gsm8k[0]["score_details"]["uncertainty"]["standard_error"]["value"] == 0.01
    bounds = files["human_eval"]["evaluation_results"][0]["score_details"]["uncertainty"]["confidence_interval"]
    assert (bounds["lower"], bounds["upper"], bounds["confidence_level"]) == (0.09, 0.32, 0.95)
    assert files["wikitext"]["evaluation_results"][0]["metric_config"]["lower_is_better"]


def test_a_record_without_a_score_is_refused_by_the_schema(report):
    record = json.loads((report / "card" / "every_eval_ever" / "gsm8k.json").read_text())
    del record["evaluation_results"][0]["score_details"]["score"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(record)


def test_the_accuracy_file_has_the_form_of_vllm_ascend(report):
    """Keys as `tests/e2e/models/test_lm_eval_correctness.py` of vllm-ascend reads them."""
    (path,) = (report / "card" / "vllm-ascend").iterdir()
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"model_name", "model_type", "hardware", "serve", "tasks"} <= set(config)
    assert config["model_type"] == "vllm" and "no Ascend device" in config["hardware"]
    assert {"tensor_parallel_size", "dtype", "max_model_len", "trust_remote_code"} <= set(config["serve"])
    tasks = {task["name"]: {one["name"]: one["value"] for one in task["metrics"]} for task in config["tasks"]}
    assert tasks["gsm8k"] == {"exact_match,strict-match": 0.7656, "exact_match,flexible-extract": 0.8105}
    assert "human_eval" not in tasks and "num_fewshot" not in config


@pytest.mark.parametrize(
    ("device", "series"),
    [("Ascend910B3", "Atlas A2 Series"), ("Ascend910_9392", "Atlas A3 Series"), ("Ascend910", "Ascend910")],
)
def test_an_ascend_device_has_its_series(report, tmp_path, device, series):
    folder = tmp_path / "demo"
    shutil.copytree(report, folder)
    changed(folder / "summary.json", lambda document: document.update(platform="ascend"))
    changed(folder / "results" / "setup.json", lambda document: document["provenance"]["device"].update(name=device))
    source = read(folder)
    (text,) = records.vllm_ascend(source, scores(source)).values()
    assert yaml.safe_load(text)["hardware"] == series


def test_no_quality_section_gives_no_records(tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(PUBLISHED, folder, ignore=shutil.ignore_patterns("raw*"))
    (folder / "results" / "quality.json").unlink()
    make(folder)
    assert not any((folder / "card" / name).exists() for name in (".eval_results", "every_eval_ever", "vllm-ascend"))
    assert ModelCard((folder / "card" / "README.md").read_text(encoding="utf-8")).data.eval_results is None


def test_a_long_card_keeps_its_first_page_within_200_lines(report):
    """Three more tasks lengthen the front matter; examples give way."""
    assert len((report / "card" / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_scores_in_per_cent_are_rounded_and_others_are_not():
    share = Score("t", "t", "acc", 2 / 3, "share", True, "l", "1", 3)
    assert share.percent == 66.67
    assert Score("t", "t", "ppl", 12.3456, "other", False, "l", "1", 3).percent == 12.3456


def test_the_pages_are_clean_for_a_markdown_linter(report):
    """markdownlint's rules by pymarkdown, but for the length of lines: a table's row is one line."""
    linter = PyMarkdownApi().enable_extension_by_identifier("front-matter").disable_rule_by_identifier("MD013")
    for page in (report / "card").glob("*.md"):
        found = linter.scan_path(str(page))
        assert [f"{one.line_number}: {one.rule_id} {one.rule_description}" for one in found.scan_failures] == []


# The acceptance pack


def with_references(document):
    data = document["data"]
    data["standard_tasks"]["rows"][0]["published"] = [{"score": 0.72, "n_shot": 0, "source": "its card"}]
    data["standard_tasks"]["rows"][1]["published"] = [{"score": 0.9, "n_shot": 0, "source": "its card"}]
    rows = [
        {
            "what": "quality cases", "n": 40, "left_out": 0, "both": 20, "only_this": 2, "only_other": 4, "neither": 14,
            "changed": {"only_this": [], "only_other": []}, "p_value": 0.7, "margin": 0.05, "difference": -0.05,
            "ci_low": -0.2, "ci_high": 0.1, "smallest_detectable": 0.2, "conclusion": "undecided",
        }
    ]  # fmt: skip
    data["comparison"] = {
        "other": {"path": "reports/gpu", "created": "2026-11-25T00:00:00Z", "model": "m"},
        "rows": rows,
    }


@pytest.fixture(scope="module")
def judged(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("acceptance") / "demo"
    shutil.copytree(report, folder)
    changed(folder / "results" / "quality.json", with_references)

    def measured(document):
        for value, run in enumerate((document["data"]["noise_floor"], *document["data"]["candidates"].values()), 1):
            run |= {"mean_abs_err": value / 1000, "match_within_1_percent": 0.9}

    changed(folder / "results" / "alignment.json", measured)
    make(folder, ("en", "zh"))
    path = folder / "card" / "bench_results" / "precision_comparison.json"
    return folder, json.loads(path.read_text(encoding="utf-8"))["acceptance"]


def test_the_pack_has_every_figure_of_every_candidate_beside_the_noise_floor(judged):
    folder, pack = judged
    alignment = json.loads((folder / "results" / "alignment.json").read_text(encoding="utf-8"))["data"]
    asked = {
        "max_abs_err", "mean_abs_err", "cosine_similarity", "top1_agreement", "top5_overlap", "match_within_1_percent",
    }  # fmt: skip
    found = {(row["metric"], row["candidate"]): row for row in pack["logits"]}
    assert set(found) == {(key, name) for key in asked for name in alignment["candidates"]}
    row = found["mean_abs_err", "vllm_eager"]
    assert (row["value"], row["noise_floor"]) == (alignment["candidates"]["vllm_eager"]["mean_abs_err"], 0.001)
    assert row["threshold"] is None and "no gate" in row["threshold_why"]
    cosine = found["cosine_similarity", "vllm_eager"]
    assert (cosine["threshold"], cosine["status"]) == ("≥ 0.99", "pass")


def test_accuracy_stands_beside_its_references_with_both_differences(judged):
    _, pack = judged
    close, far, paired = pack["accuracy"]
    assert close["absolute_difference"] == pytest.approx(0.6957 - 0.72, abs=1e-4)
    assert close["relative_difference"] == pytest.approx(0.6957 / 0.72 - 1, abs=1e-4)
    assert (close["status"], far["status"], paired["status"]) == ("pass", "fail", "undecided_margin")
    assert (paired["value"], paired["reference"], paired["reference_source"]) == (22 / 40, 24 / 40, "reports/gpu")


def test_the_adaptation_report_prints_the_pack(judged):
    folder, _ = judged
    english = (folder / "card" / "ADAPT_REPORT.md").read_text(encoding="utf-8")
    assert "| max absolute difference |" in english and "| mean absolute difference |" in english
    assert "≥ 0.99" in english and "−20.4" in english and "undecided" in english
    chinese = (folder / "card" / "ADAPT_REPORT.zh.md").read_text(encoding="utf-8")
    assert "平均绝对误差" in chinese and "−20.4" in chinese


def test_an_older_report_says_why_a_figure_is_missing(report):
    path = report / "card" / "bench_results" / "precision_comparison.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["acceptance"]["logits"]
    (row,) = {(row["value"], row["value_why"]) for row in rows if row["metric"] == "mean_abs_err"}
    assert row[0] is None and row[1]
