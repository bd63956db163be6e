"""Scores of a report in one form, whatever computed them: standard tasks, HumanEval, the suite's own quality cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from evalpress.core.results import Document
from evalpress.report.card.source import Source
from evalpress.sections.quality.results import Results as Quality

Interval = tuple[float, float]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of the Hugging Face Hub that collects scores of models, and the metric of the harness that it ranks.

    Source: documentation of the Hub, «Evaluation Results», and the `eval.yaml` of these datasets.
    """

    dataset: str
    task: str
    metric: str
    items: int
    """A score over fewer items is not one of the benchmark."""


REGISTERED = {
    "gsm8k": Benchmark("openai/gsm8k", "gsm8k", "exact_match,strict-match", 1319),
    "mmlu_pro": Benchmark("TIGER-Lab/MMLU-Pro", "mmlu_pro", "exact_match,custom-extract", 12032),
    "gpqa_diamond_zeroshot": Benchmark("Idavidrein/gpqa", "diamond", "acc,none", 198),
}
"""Task of lm-evaluation-harness -> the registered benchmark whose data it uses."""
_DATASETS = {name: one.dataset for name, one in REGISTERED.items()} | {"human_eval": "openai/openai_humaneval"}
_HUMAN_EVAL = 164


@dataclass(frozen=True)
class Score:
    """One metric of one task. `value` is a share where `kind` is "share", else in the metric's own unit.

    `interval` is a 95 % interval of the value; `limited` says that not all items of the task were asked.
    """

    task: str
    name: str
    metric: str
    value: float
    kind: Literal["share", "other"]
    higher_is_better: bool
    library: str
    library_version: str
    n: int | None
    n_shot: int | None = None
    stderr: float | None = None
    interval: Interval | None = None
    interval_method: str = ""
    dataset: str | None = None
    limited: bool = False
    max_tokens: int | None = None
    measured: str = ""
    """When the measurement ended, ISO-8601, UTC."""

    @property
    def percent(self) -> float:
        """The value as model cards print it: a share in per cent, to two decimals."""
        return round(100 * self.value, 2) if self.kind == "share" else self.value


def scores(source: Source) -> list[Score]:
    """Every score of the report's quality section; none where it has no results."""
    if source.quality is None:
        return []
    version = str(source.provenance["suite_version"])
    found = (*_tasks(source.quality), *_human_eval(source.quality, version), *_cases(source.quality, version))
    measured = str(source.quality.provenance.get("end") or source.quality.created)
    return [replace(one, measured=measured) for one in found]


def _tasks(quality: Document[Quality]) -> Iterator[Score]:
    found = quality.data.standard_tasks
    if found is None:
        return
    limit = quality.params["quality"]["lm_eval"].get("limit")
    for row in found.rows:
        name, _, version = found.harness.rpartition(" ")
        share = 0 <= row.value <= 1 and row.metric.split("_")[0] in ("acc", "exact", "f1", "pass")
        registered = REGISTERED.get(row.task)
        short = registered is not None and row.n != registered.items
        yield Score(
            task=row.task,
            name=row.task,
            metric=f"{row.metric},{row.filter}",
            value=row.value,
            kind="share" if share else "other",
            higher_is_better=not any(word in row.metric for word in ("perplexity", "bits_per", "loss")),
            library=name,
            library_version=version,
            n=row.n,
            n_shot=row.n_shot,
            stderr=row.stderr,
            dataset=_DATASETS.get(row.task),
            limited=limit is not None or short,
        )


def _human_eval(quality: Document[Quality], version: str) -> Iterator[Score]:
    found = quality.data.human_eval
    if found is None:
        return
    tokens = quality.params["quality"].get("human_eval", {}).get("max_tokens")
    for one in found.scores:
        yield Score(
            task="human_eval",
            name="HumanEval",
            metric=f"pass@{one.k}{',greedy' if one.greedy else ''}",
            value=one.value,
            kind="share",
            higher_is_better=True,
            library="evalpress",
            library_version=version,
            n=found.n,
            n_shot=0,
            interval=(one.ci_low, one.ci_high),
            interval_method="Wilson" if one.greedy else "normal, over problems",
            dataset=_DATASETS["human_eval"],
            limited=found.n < _HUMAN_EVAL,
            max_tokens=tokens,
        )


def _cases(quality: Document[Quality], version: str) -> Iterator[Score]:
    tally = quality.data.overall
    if tally.pass_rate is None or tally.ci_low is None or tally.ci_high is None:
        return
    yield Score(
        task="evalpress_cases",
        name="Evalpress quality cases",
        metric="pass_rate",
        value=tally.pass_rate,
        kind="share",
        higher_is_better=True,
        library="evalpress",
        library_version=version,
        n=tally.decided,
        n_shot=0,
        interval=(tally.ci_low, tally.ci_high),
        interval_method="Wilson",
    )
