"""Invariants of logits, of greedy answers, and of the two against each other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from evalpress.claims.card import Card, Logits, LogitsRow, Token
from evalpress.claims.finding import Finding, judge, meets
from evalpress.claims.interval import Interval, exact

_TOP = 5
_SPELLED = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})
_NOT_ROWS = "the overall figure is not that of the rows"


def _slug(text: str) -> str:
    """A prompt as part of an id: its first words."""
    return re.sub(r"\W+", "_", text).strip("_")[:32] or "prompt"


def _mean(ranges: Sequence[Interval]) -> Interval:
    return sum(ranges, exact(0.0)).scaled(1 / len(ranges))


def cosine_range(card: Card) -> Iterator[Finding]:
    """A cosine is in [-1, 1]."""
    for row in card.logits.prompts if card.logits else ():
        yield judge(
            f"logits.{_slug(row.prompt)}.cosine_range",
            "a cosine lies between -1 and 1",
            row.cosine.text,
            "-1 to 1",
            holds=row.cosine.range.meets(Interval(-1, 1)),
            why="no two vectors have it: the tool that printed it computes cosines wrongly",
        )


def cosine_mean(card: Card) -> Iterator[Finding]:
    """The overall cosine is the mean of the rows, also after impossible rows are corrected."""
    if card.logits is None or not _every_row(card.logits):
        return
    overall = card.logits.overall.cosine.range
    rows = [row.cosine.range for row in card.logits.prompts]
    yield meets("logits.cosine_mean", "overall cosine = mean of the rows", overall, _mean(rows), why=_NOT_ROWS)
    possible = [Interval(max(-1, min(1, row.low)), max(-1, min(1, row.high))) for row in rows]
    if possible != rows:
        yield meets(
            "logits.cosine_mean_possible",
            "overall cosine = mean of the rows, none of which exceeds 1",
            overall,
            _mean(possible),
            why="the average includes cosines that are too large, so it is too large as well",
        )


def shares(card: Card) -> Iterator[Finding]:
    """Shares are multiples of 1/n, and the overall ones are the means of the rows."""
    if card.logits is None:
        return
    for row in card.logits.prompts:
        yield from _row_shares(row)
    if not _every_row(card.logits):
        return
    rows, overall = card.logits.prompts, card.logits.overall
    n, same = len(rows), sum(row.match for row in rows)
    yield meets(
        "logits.top1", "top-1 agreement = matching rows / rows", overall.top1.range, exact(same / n), why=_NOT_ROWS
    )
    if overall.top1_matches:
        yield meets(
            "logits.top1_matches",
            "printed matches = matching rows",
            overall.top1_matches.range,
            exact(same),
            why=_NOT_ROWS,
        )
    yield meets(
        "logits.top5",
        "top-5 overlap = mean of the rows",
        overall.top5.range,
        _mean([r.top5.range for r in rows]),
        why=_NOT_ROWS,
    )


def _every_row(logits: Logits) -> bool:
    """Whether the printed rows are all that the averages are of, as far as the card says."""
    of = logits.overall.of
    return bool(logits.prompts) and (of is None or of.range.meets(exact(len(logits.prompts))))


def _row_shares(row: LogitsRow) -> Iterator[Finding]:
    yield judge(
        f"logits.{_slug(row.prompt)}.top5",
        "the overlap of two sets of five is a multiple of 20 %",
        row.top5.text,
        "0, 20, 40, 60, 80 or 100 %",
        holds=any(row.top5.range.meets(exact(k / _TOP)) for k in range(_TOP + 1)),
        why="no two sets of five tokens overlap like this",
    )
    yield judge(
        f"logits.{_slug(row.prompt)}.match",
        "a row matches when both sides' best tokens have one id",
        f"ids {row.reference.id} and {row.candidate.id}, {'match' if row.match else 'no match'}",
        "match" if row.reference.id == row.candidate.id else "no match",
        holds=row.match == (row.reference.id == row.candidate.id),
        why="the verdict contradicts the ids beside it",
    )


def token_ids(card: Card) -> Iterator[Finding]:
    """One id represents one token."""
    texts: dict[int, set[str]] = {}
    for row in card.logits.prompts if card.logits else ():
        for token in (row.reference, row.candidate):
            texts.setdefault(token.id, set()).add(token.text)
    if texts:
        odd = {number: sorted(found) for number, found in texts.items() if len(found) > 1}
        yield judge(
            "logits.token_ids",
            "one id represents one token",
            str(odd or "each once"),
            "each once",
            holds=not odd,
            why="one id, two tokens",
        )


def first_tokens(card: Card) -> Iterator[Finding]:
    """The arg max at the last prompt position is the first token of the greedy answer."""
    answers = {_bare(case.prompt): case.output for case in card.evidence.cases}
    for row in card.logits.prompts if card.logits else ():
        output = answers.get(_bare(row.prompt))
        if output is None:
            continue
        sides = {"reference": _begins(output, row.reference), "candidate": _begins(output, row.candidate)}
        yield _first_token(row, output, sides)


def _first_token(row: LogitsRow, output: str, sides: dict[str, bool]) -> Finding:
    name = f"logits.{_slug(row.prompt)}.first_token"
    statement = "first greedy token = arg max of the logits at the last prompt position"
    found = f"answer {output!r}, arg max {row.reference.text!r} (reference) and {row.candidate.text!r} (candidate)"
    expected = "an answer that begins with the arg max"
    if sides["candidate"]:
        return Finding(name, "ok", statement, found, expected)
    if sides["reference"]:
        why = "the answer begins with the reference's arg max: a near tie, or the answer came from another engine"
        return Finding(name, "note", statement, found, expected, why)
    why = "the logits and the answer cannot be of the same model after the same prompt"
    return Finding(name, "broken", statement, found, expected, why)


def _begins(output: str, token: Token) -> bool:
    """Whether an answer begins with a token; cards also print it as the tokenizer's file spells it (`ĠParis`)."""
    text = token.text.translate(_SPELLED).strip()
    return output.lstrip().startswith(text) or (bool(output.strip()) and text.startswith(output.strip()))


def _bare(prompt: str) -> str:
    """A prompt without white space, which tables and web pages change."""
    return "".join(prompt.split())


def same_first_token(card: Card) -> Iterator[Finding]:
    """Different prompts whose answers begin differently do not have the same improbable arg max."""
    answers = {_bare(case.prompt): case.output for case in card.evidence.cases}
    groups: dict[int, list[LogitsRow]] = {}
    for row in card.logits.prompts if card.logits else ():
        groups.setdefault(row.reference.id, []).append(row)
    for number, rows in groups.items():
        outputs = {answers[_bare(row.prompt)] for row in rows if _bare(row.prompt) in answers}
        if len(rows) > 1 and len(outputs) > 1:
            yield Finding(
                f"logits.same_arg_max.{number}",
                "note",
                "prompts with different answers have different arg maxes",
                f"{rows[0].reference.text!r} (id {number}) after {len(rows)} prompts, answered {sorted(outputs)}",
                "a different arg max for each answer",
                "the logits may be of another position than the last one of the prompt",
            )


def latencies(card: Card) -> Iterator[Finding]:
    """Statements of the card about all answers hold for each answer."""
    evidence = card.evidence
    if evidence.count and evidence.cases:
        yield meets(
            "evidence.count",
            "stated number of cases = cases",
            evidence.count.range,
            exact(len(evidence.cases)),
            why="another number of cases is printed",
        )
    if evidence.fastest and evidence.slowest and evidence.cases:
        low, high = evidence.fastest.range.low, evidence.slowest.range.high
        odd = [case.latency.text for case in evidence.cases if not case.latency.range.meets(Interval(low, high))]
        shown = ", ".join(odd) or "all latencies"
        wanted = f"{evidence.fastest.text} to {evidence.slowest.text}"
        yield judge(
            "evidence.latencies",
            "every latency is in the stated range",
            shown,
            wanted,
            holds=not odd,
            why="printed beside the cases",
        )


def overall_error(card: Card) -> Iterator[Finding]:
    """A mean square error is not negative."""
    if card.logits and card.logits.overall.mse:
        mse = card.logits.overall.mse
        holds = mse.range.high >= 0 and not math.isinf(mse.range.high)
        yield judge(
            "logits.mse",
            "a mean square error is at least 0",
            mse.text,
            "0 or more",
            holds=holds,
            why="squares are not negative",
        )


RULES = (
    cosine_range,
    cosine_mean,
    shares,
    token_ids,
    first_tokens,
    same_first_token,
    latencies,
    overall_error,
)
