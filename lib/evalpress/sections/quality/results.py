"""What the quality section measures, as in `results/quality.json`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from evalpress.core.plain import Json
from evalpress.core.results import Model
from evalpress.core.results import Results as BaseResults
from evalpress.model.described import ChatTemplate

Verdict = Literal["pass", "fail", "cut", "needs_review"]
"""`cut`: the output reached its limit before the rule was decided. `needs_review`: a person decides."""
Kind = Literal["chat", "base"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


NOT_SWITCHED_ON = "the set does not switch it on (quality.human_eval.run)"
_OLDER = "written by an older version"


class SamplingUsed(Model):
    """How an answer was drawn; the names are those of vLLM's SamplingParams."""

    max_tokens: int = Field(description="longest answer, tokens")
    temperature: float
    stop: list[str] = Field(description="texts that end an answer")


def storable(value: Any) -> Any:
    """A text in which halves of surrogate pairs, which no UTF-8 file can hold, are U+FFFD; other values as they are."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class PersonVerdict(Model):
    """A person's verdict on one output."""

    reviewer: str
    date: str = Field(description="YYYY-MM-DD")
    verdict: Literal["pass", "fail"]
    comment: str = ""


class JudgedCase(Model):
    """One case: the prompt, the answer, and the verdict."""

    id: str
    category: str
    group: str = ""
    language: str
    prompt: str
    prompt_kind: Kind | None = Field(None, description="the kind of model that the prompt was written for")
    rendered_prompt: str | None = Field(None, description="the text that was sent, chat template applied")
    sampling: SamplingUsed
    output: str
    output_token_ids: list[int] | None = None
    finish_reason: str | None = Field(None, description="stop, or length where the answer reached its limit")
    latency_s: float | None = Field(None, description="request to last token, s")
    sha256: str = Field(description="SHA-256 of the output's UTF-8 bytes, hex")
    checker: str
    checker_args: Any = Field(description="arguments of the checker, as the case gives them")
    rule: str = Field(description="the checker with its arguments, one line of YAML")
    source: str = Field(description="where the case is written, file:line")
    rule_verdict: Verdict | None = Field(description="what the rule alone finds")
    rule_verdict_why: str | None = None
    verdict: Verdict | None = Field(description="after people's verdicts; null where the rule itself failed")
    verdict_why: str | None = None
    reason: str
    decided_by: str
    review: PersonVerdict | None = None
    void_review: PersonVerdict | None = Field(None, description="a verdict on another output than today's")

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_stored(cls, value: Any) -> Any:
        return storable(value)

    @property
    def state(self) -> str:
        """The verdict, or `error` where the rule raised an exception."""
        return self.verdict or "error"


class Tally(Model):
    """Counts of verdicts, and the pass rate among the decided cases with its 95 % Wilson interval."""

    n: Count
    passed: Count = Field(validation_alias="pass", serialization_alias="pass")
    failed: Count = Field(validation_alias="fail", serialization_alias="fail")
    cut: Count = Field(0, description="answers that reached their limit before the rule was decided")
    needs_review: Count
    errors: Count = Field(0, description="cases whose rule raised an exception")
    decided: Count = Field(description="pass + fail")
    pass_rate: Share | None
    pass_rate_why: str | None = None
    ci_low: Share | None
    ci_low_why: str | None = None
    ci_high: Share | None
    ci_high_why: str | None = None
    in_words: str


class SandboxFound(Model):
    """The sandbox that ran model-written code."""

    kind: str | None
    kind_why: str | None = None


class PublishedScore(Model):
    """A published score."""

    score: Share
    n_shot: int
    source: str


class TaskScore(Model):
    """One metric of one standard task."""

    task: str
    metric: str
    filter: str
    value: float
    stderr: float | None = Field(description="standard error, same unit as value")
    stderr_why: str | None = None
    n: int | None = Field(description="items")
    n_why: str | None = None
    n_shot: int | None = Field(description="examples in the prompt")
    n_shot_why: str | None = None
    version: Any
    version_why: str | None = None
    output_type: str | None
    output_type_why: str | None = None
    ours: Share | None = Field(description="the accuracy computed again by this suite, on `ours_n` items")
    ours_why: str | None = None
    ours_n: int | None
    ours_n_why: str | None = None
    published: list[PublishedScore]


class StandardTasks(Model):
    """Scores of lm-evaluation-harness."""

    harness: str
    mode: str
    rows: list[TaskScore]
    raw: str = Field(description="the harness's whole result, path inside results/")


class PassAtK(Model):
    """The share of problems solved by at least one of k completions."""

    k: int
    greedy: bool = Field(description="from the greedy completion, or the unbiased estimate from drawn samples")
    value: Share
    ci_low: Share = Field(description="95 %: Wilson for greedy, over problems (normal) for samples")
    ci_high: Share


class HumanEvalProblem(Model):
    """One problem: whether the greedy completion passes its tests, and how many drawn ones do."""

    task_id: str
    passed: bool
    why: str
    samples: Count
    samples_passed: Count


class HumanEvalScores(Model):
    """HumanEval."""

    source: str
    n: Count = Field(description="problems")
    samples: Count = Field(description="drawn completions per problem")
    temperature: float
    scores: list[PassAtK]
    problems: list[HumanEvalProblem]
    raw: str = Field(description="all completions, path inside results/")


class OtherRun(Model):
    """The report that this one is compared with."""

    path: str
    created: str
    model: str


class Changed(Model):
    """Cases that only one of two runs got right."""

    only_this: list[str]
    only_other: list[str]


class PairedOutcomes(Model):
    """Two runs on the same items."""

    what: str
    n: Count = Field(description="items that both runs decided")
    left_out: Count
    both: Count
    only_this: Count
    only_other: Count
    neither: Count
    changed: Changed
    p_value: float | None = Field(description="McNemar's exact test, two-sided")
    p_value_why: str | None = None
    margin: Share | None = Field(None, description="the loss of accuracy that is still acceptable, a share")
    margin_why: str | None = _OLDER
    difference: float | None = Field(None, description="this run's accuracy minus the other's, a share")
    difference_why: str | None = _OLDER
    ci_low: float | None = Field(None, description="95 % interval of the difference (Newcombe 1998, method 10)")
    ci_low_why: str | None = _OLDER
    ci_high: float | None = None
    ci_high_why: str | None = _OLDER
    smallest_detectable: Share | None = Field(
        None, description="the difference that these pairs find with a power of 80 %, a share"
    )
    smallest_detectable_why: str | None = _OLDER
    conclusion: Literal["not inferior", "inferior", "undecided"] | None = Field(
        None, description="the interval compared with the margin"
    )
    conclusion_why: str | None = _OLDER

    @model_serializer(mode="wrap")
    def _reasons_of_nulls_only(self, handler: SerializerFunctionWrapHandler) -> Json:
        found: Json = handler(self)
        fields = type(self).model_fields
        unused = {key for key in found if key.endswith("_why") and found.get(key.removesuffix("_why")) is not None}
        return {k: v for k, v in found.items() if k not in unused and (v is not None or k + "_why" in fields)}


class Comparison(Model):
    """This run paired with another."""

    other: OtherRun
    rows: list[PairedOutcomes]


class Results(BaseResults):
    """The quality section."""

    VERSION: ClassVar[int] = 1

    cases: list[JudgedCase]
    by_category: dict[str, Tally]
    overall: Tally
    sandbox: SandboxFound
    base_model: bool
    base_model_how: str
    chat_template: ChatTemplate | None
    chat_template_why: str | None = None
    standard_tasks: StandardTasks | None
    standard_tasks_why: str | None = None
    human_eval: HumanEvalScores | None = None
    human_eval_why: str | None = NOT_SWITCHED_ON
    comparison: Comparison | None
    comparison_why: str | None = None
    mode: str = Field(description="the engine that answered: eager or compiled")
    asked_now: Count = Field(description="cases answered in this run")
    kept_answers: Count = Field(description="cases whose stored answers were judged again")

    @property
    def kind(self) -> Kind:
        """How the model was asked."""
        return "base" if self.base_model else "chat"
