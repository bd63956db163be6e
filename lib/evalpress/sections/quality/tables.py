"""The quality section's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import (
    Badge,
    Cell,
    Code,
    Column,
    Fold,
    Link,
    Missing,
    Prose,
    Table,
    code,
    escape_markdown,
    fmt,
    moment,
    output,
    pick,
)
from evalpress.sections.quality.human_eval import PROBLEMS
from evalpress.sections.quality.results import JudgedCase, PublishedScore, Results, Tally, TaskScore

__dir__ = own_functions(__name__)

QualityResults: TypeAlias = Document[Results]

_FIRST = ("error", "fail", "cut", "needs_review", "pass")
"""The order of a table of cases: those that need attention come first."""
_STATES = {"needs_review": "waits"}


def categories(document: QualityResults) -> Table:
    """Pass rate of each category with its Wilson interval and the sample size in words."""
    data = document.data
    tallies = {**data.by_category, "all": data.overall}
    records = [
        {"category": name, "cut_as_failed": _cut_as_failed(row)} | row.model_dump(by_alias=True)
        for name, row in tallies.items()
    ]
    columns: dict[str, Column | str] = {
        "category": "category",
        "n": "cases",
        "pass": "pass",
        "fail": "fail",
        "cut": "cut",
        "needs_review": "waiting",
        "pass_rate": Column("pass rate", "share"),
        "ci_low": Column("95 % from", "share"),
        "ci_high": Column("to", "share"),
        "cut_as_failed": Column("cut as failed", "share"),
        "in_words": Column("in words", wide=True),
    }
    if not data.overall.cut:
        del columns["cut_as_failed"]
    note = (
        "Pass rate among decided cases (pass and fail), with Wilson's interval. A case that waits for a person and one "
        "whose answer was cut at its length limit are not decided."
    )
    if data.overall.cut:
        note += " Cut as failed: the pass rate where a cut answer counts as a failed one."
    return Table.from_records("Pass rate by category", columns, records, note=note)


def _cut_as_failed(row: Tally) -> Cell:
    """The pass rate among decided and cut cases."""
    judged = row.decided + row.cut
    return row.passed / judged if judged else Missing("no case is decided yet")


def cases(document: QualityResults) -> Table:
    """Every case with its verdict first: failed, cut and waiting cases open, those that pass folded."""
    data = document.data
    ordered = sorted(data.cases, key=lambda case: _FIRST.index(case.state))
    heads: list[Column | str] = [
        Column("verdict", choose=True),
        "case",
        Column("why", wide=True),
        Column("output", wide=True),
        Column("category", choose=True),
        Column("prompt", detail=True),
        Column("prompt as sent", detail=True),
        Column("rule", detail=True),
        Column("tokens", detail=True),
        Column("decided by", detail=True),
        Column("written in", detail=True),
    ]
    note = (
        f"Answered by the {data.mode} engine, asked as a {data.kind} model. Open the line below a case for its prompt, "
        "its rule and its tokens."
    )
    if data.chat_template:
        note += f" Prompts went through the chat template with SHA-256 {data.chat_template.sha256[:12]}…"
    passed = sum(case.state == "pass" for case in ordered)
    return Table(
        "Quality cases",
        heads,
        [_case(case) for case in ordered],
        note=note,
        named_by=1,
        anchor="quality-case",
        tools=True,
        fold=Fold(len(ordered) - passed, f"Cases that pass: {passed}") if passed else None,
    )


def _case(case: JudgedCase) -> list[Cell]:
    """A row; `state` is the verdict that `judging.verdict` and a person gave, or `error`."""
    sent = case.rendered_prompt if case.rendered_prompt != case.prompt else None
    return [
        Badge(case.state, _STATES.get(case.state, "")),
        case.id,
        case.reason,
        output(case.output),
        case.category,
        Code(case.prompt),
        "" if sent is None else Code(sent),
        Code(case.rule),
        _tokens(case),
        case.decided_by,
        case.source,
    ]


def _tokens(case: JudgedCase) -> Cell:
    """How many tokens came out, which, and why the answer ended."""
    ended = f"; finish reason: {case.finish_reason}" if case.finish_reason else ""
    limit = f"at most {case.sampling.max_tokens:,} tokens{ended}"
    if case.output_token_ids is None:
        return limit
    return f"{len(case.output_token_ids):,} tokens of {limit}", ": ", Code(str(case.output_token_ids))


def pending(document: QualityResults) -> Table | Prose:
    """The cases that wait for a person, with the hash that a verdict must name."""
    waiting = [case for case in document.data.cases if case.verdict == "needs_review"]
    if not waiting:
        return Prose("No case waits for a person.")
    rows: list[list[Cell]] = [
        [Link(case.id, f"quality-case-{case.id}"), output(case.output), case.reason, Code(case.sha256[:12])]
        for case in waiting
    ]
    heads: list[Column | str] = [
        "case",
        Column("output", wide=True),
        Column("what to look at", wide=True),
        "output's SHA-256",
    ]
    note: Cell = (
        "Decide one with ",
        Code("python -m evalpress review --case ID --verdict pass|fail --reviewer NAME"),
        " (other sets: --set) or in this notebook with ",
        Code("quality.decide(job, case, verdict, reviewer, comment)"),
        ". It is kept in params/reviews with the hash of this output and is void as soon as the output changes.",
    )
    return Table("Cases to decide", heads, rows, note=note)


def standard_tasks(document: QualityResults) -> Table | Prose:
    """Scores of lm-evaluation-harness with standard errors, this suite's own count, and published scores."""
    found = document.data.standard_tasks
    if found is None:
        return Prose(f"Not measured: {escape_markdown(str(document.data.standard_tasks_why))}.")
    rows: list[list[Cell]] = [
        [
            row.task,
            row.metric,
            *(pick(row, key) for key in ("n", "n_shot", "value", "stderr")),
            _ours(row),
            _published(row.published),
        ]
        for row in found.rows
    ]
    heads: list[Column | str] = [
        "task",
        "metric",
        "items",
        "shots",
        Column("score", "share"),
        Column("standard error", "share"),
        "computed again here",
        Column("published elsewhere (claims)", wide=True),
    ]
    note = (
        f"{found.harness} through its vLLM model, on an engine of this set ({found.mode}). Computed again here: "
        "the share of the same items for which this suite finds the right choice most probable. The complete result of "
        f"the harness, with every item: {_raw_file(found.raw)}."
    )
    return Table("Scores", heads, rows, note=note)


def human_eval(document: QualityResults) -> Table | Prose:
    """pass@k on HumanEval with intervals."""
    found = document.data.human_eval
    if found is None:
        return Prose(f"Not measured: {escape_markdown(str(document.data.human_eval_why))}.")
    rows: list[list[Cell]] = [
        [f"pass@{one.k}", "greedy" if one.greedy else f"{found.samples} drawn", one.value, one.ci_low, one.ci_high]
        for one in found.scores
    ]
    heads: list[Column | str] = [
        "score",
        "completions",
        Column("share of problems", "share"),
        Column("95 % from", "share"),
        Column("to", "share"),
    ]
    which = f"The first {found.n} of {PROBLEMS} problems" if found.n < PROBLEMS else f"All {found.n} problems"
    note = f"{which} ({found.source}), each run against its tests in the sandbox. Greedy: Wilson's interval."
    if not all(one.greedy for one in found.scores):
        note += (
            f" Drawn (temperature {found.temperature:g}): the unbiased estimate of Chen et al. 2021 with a normal "
            "interval over problems."
        )
    note += f" Every completion: {_raw_file(found.raw)}."
    return Table("HumanEval", heads, rows, note=note)


def _raw_file(path: str) -> str:
    """Where a file of raw observations is: a published report may have them in one archive."""
    return f"{path.removeprefix('raw/')} in results/raw (where there is raw.zip: in it)"


def _ours(row: TaskScore) -> Cell:
    if row.ours is None or row.ours_n is None:
        return Missing(row.ours_why or row.ours_n_why or "not recorded")
    part = row.n is not None and row.ours_n < row.n
    equal = part or abs(row.ours - row.value) < 1e-9
    return Badge("ok" if equal else "fail", fmt(row.ours, "share") + (f" of {row.ours_n} items" if part else ""))


def _published(scores: Sequence[PublishedScore]) -> Cell:
    parts = [f"{fmt(one.score, 'share')} ({one.n_shot}-shot; {one.source})" for one in scores]
    return "; ".join(parts) or "–"


def comparison(document: QualityResults) -> Table | Prose:
    """This run against another report's, paired case by case."""
    found = document.data.comparison
    if found is None:
        return Prose(f"Not compared: {escape_markdown(str(document.data.comparison_why))}.")
    columns: dict[str, Column | str] = {
        "what": "what",
        "n": "pairs",
        "both": "both right",
        "only_this": "only this run",
        "only_other": "only the other",
        "neither": "neither",
        "p_value": "p (McNemar, exact)",
        "difference": Column("difference", "share"),
        "ci_low": Column("95 % from", "share"),
        "ci_high": Column("to", "share"),
        "conclusion": "against the margin",
        "smallest_detectable": Column("smallest effect found", "share"),
        "left_out": "left out",
    }
    other = found.other
    note = (
        f"The other run: {other.path}, model {other.model}, {moment(other.created)}. Only cases that both "
        "runs decided, with the same prompt and rule, are paired. p: the probability of such an uneven split of the "
        "disagreements if both runs were equally good. Not inferior: the whole interval of the difference "
        f"(Newcombe) lies above a loss of {fmt(found.rows[0].margin, 'share')}. Smallest effect: what this many pairs "
        "find with a power of 80 %."
    )
    return Table.from_records("Paired with another run", columns, found.rows, note=note)


def sandbox(document: QualityResults) -> Prose:
    """What contained the code that the model wrote."""
    found = document.data.sandbox
    kind = code(found.kind) if found.kind else escape_markdown(str(found.kind_why))
    return Prose(f"**Sandbox for model-written code**: {kind}.")
