"""Answers that another system made, judged by the rules of the case files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from evalpress.core import paths
from evalpress.core.errors import UserError
from evalpress.core.results import Model
from evalpress.core.validation import found, mistakes
from evalpress.core.yaml12 import load_yaml
from evalpress.sections.quality.cases import Case, load_cases
from evalpress.sections.quality.judging import verdict
from evalpress.sections.quality.results import Kind, Verdict, storable


class Answer(BaseModel):
    """One line of an outputs file; other keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    case: str
    output: str
    finish_reason: str | None = None


class JudgedAnswer(Model):
    """The verdict on one answer."""

    case: str
    verdict: Verdict | None
    """Null where the rule itself failed."""
    reason: str
    verdict_why: str | None = None


def judge(outputs: str, files: Sequence[str] | None, kind: Kind) -> list[JudgedAnswer]:
    """The verdict on every line of a JSON-lines file, in order; several lines may answer one case.

    Args:
        outputs: the file, relative to the working folder.
        files: case files; None: those of `params/base.yaml`.
        kind: whether the answers come from a chat model or a base model.

    Raises:
        UserError: `file:line: key: found …, allowed …`.
    """
    cases = {case.id: case for case in load_cases(files or default_files())}
    path = Path(outputs)
    return [_judged(at, answer, cases, kind) for at, answer in read_answers(path)]


def default_files() -> list[str]:
    """The case files of `params/base.yaml`."""
    data, _ = load_yaml(paths.PARAMS / "base.yaml")
    return list(data["quality"]["cases"])


def read_answers(path: Path) -> Iterator[tuple[str, Answer]]:
    """Every line that is not blank, with its place (`file:line`). Lines end at a line feed only.

    Raises:
        UserError: a file that cannot be read, no answer at all, or a line that is no answer.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    empty = True
    for number, line in enumerate(lines, 1):
        if line.strip():
            empty = False
            yield f"{path}:{number}", _answer(f"{path}:{number}", line)
    if empty:
        raise UserError(f"{path}:1: found no answer, allowed lines of JSON with case, output and finish_reason")


def _answer(at: str, line: bytes) -> Answer:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{at}: found a byte that is not UTF-8 at column {error.start + 1}, allowed UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{at}: not JSON: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UserError(f"{at}: found {found(value)}, allowed a JSON object with case, output and finish_reason")
    try:
        return Answer.model_validate({key: storable(item) for key, item in value.items()})
    except ValidationError as problem:
        raise UserError(mistakes(problem, Answer, lambda _: at)[0]) from None


def _judged(at: str, answer: Answer, cases: dict[str, Case], kind: Kind) -> JudgedAnswer:
    case = cases.get(answer.case)
    if case is None:
        known = ", ".join(cases)
        shown = known if len(known) <= 300 else known[:300].rpartition(",")[0] + ", …"
        raise UserError(f"{at}: case: found {answer.case!r}, allowed {shown}")
    judgement = verdict(case, answer.output, answer.finish_reason, kind)
    found, reason = judgement.verdict, judgement.reason
    if found == "error":
        return JudgedAnswer(case=case.id, verdict=None, reason=reason, verdict_why=reason)
    return JudgedAnswer(case=case.id, verdict=found, reason=reason)
