"""Invariants of speeds and times. A rule yields findings for those of its numbers that a card prints."""

from __future__ import annotations

import math
from collections.abc import Iterator

from evalpress.claims.card import Card, Comparison, Total
from evalpress.claims.finding import Finding, judge, meets
from evalpress.claims.interval import Interval, Published, exact

_ONE = exact(1.0)


def gains(card: Card) -> Iterator[Finding]:
    """The printed gain is the ratio of the two printed figures, less one."""
    for row in card.comparison:
        if row.gain is None:
            continue
        name, statement = f"comparison.{row.metric}.gain", "gain = compiled / eager - 1"
        ratio = row.compiled.range / row.eager.range - _ONE
        other = _other_gain(row)
        if other and not row.gain.range.meets(ratio):
            yield Finding(name, "note", statement, row.gain.text, f"{ratio}", f"only if it means {other}")
            continue
        why = f"{row.compiled.text} against {row.eager.text} is not {row.gain.text}"
        yield meets(name, statement, row.gain.range, ratio, why=why)


def _other_gain(row: Comparison) -> str | None:
    """What else a card may call the gain of a time, where that gives the printed figure."""
    if row.gain is None or row.metric not in ("ttft", "load_time"):
        return None
    others = {
        "the share of time that is saved": _ONE - row.compiled.range / row.eager.range,
        "how much faster it is, eager / compiled - 1": row.eager.range / row.compiled.range - _ONE,
    }
    return next((words for words, value in others.items() if row.gain.range.meets(value)), None)


def tokens_per_request(card: Card) -> Iterator[Finding]:
    """Output rate over request rate is the output length: a whole number, the same in both modes."""
    rows = {row.metric: row for row in card.comparison}
    tokens, requests = rows.get("output_throughput"), rows.get("request_throughput")
    if tokens is None or requests is None:
        return
    eager = tokens.eager.range / requests.eager.range
    compiled = tokens.compiled.range / requests.compiled.range
    both = Interval(max(eager.low, compiled.low), min(eager.high, compiled.high))
    whole = math.ceil(both.low)
    holds = whole <= both.high
    yield Finding(
        "comparison.tokens_per_request",
        "ok" if holds else "note",
        "output throughput / request throughput = output tokens per request, one whole number in both modes",
        f"eager {eager}, compiled {compiled}",
        f"{whole}" if holds else "a whole number in both ranges",
        "" if holds else "only if requests ended at different lengths, so the two modes did different work",
    )


def spread(card: Card) -> Iterator[Finding]:
    """A mean is between its extremes."""
    times = card.speed.ttft
    if times is not None:
        yield judge(
            "speed.ttft.order",
            "min <= mean <= max",
            f"{times.min.text}, {times.mean.text}, {times.max.text}",
            "in this order",
            holds=times.min.range.low <= times.mean.range.high and times.mean.range.low <= times.max.range.high,
            why="the mean of numbers cannot lie outside them",
        )


def end_to_end(card: Card) -> Iterator[Finding]:
    """Tokens over time is the rate printed beside them, and the first token comes before the last."""
    for row in card.speed.e2e:
        name = f"speed.e2e.{row.output_len.text}"
        yield meets(
            f"{name}.rate",
            "output tokens / time = printed rate",
            row.rate.range,
            row.output_len.range / row.time.range,
            "tok/s",
            why=f"{row.output_len.text} tokens in {row.time.text} are not {row.rate.text}",
        )
        if card.speed.ttft is not None:
            yield judge(
                f"{name}.order",
                "TTFT <= end-to-end latency",
                f"{card.speed.ttft.min.text} and {row.time.text}",
                "in this order",
                holds=card.speed.ttft.min.range.low <= row.time.range.high,
                why="the first token cannot come after the last",
            )


def single_stream(card: Card) -> Interval | None:
    """Tokens per second of one request at a time: extra tokens over extra time of the longest and shortest."""
    rows = sorted(card.speed.e2e, key=lambda row: row.time.range.low)
    if len(rows) < 2:
        return None
    first, last = rows[0], rows[-1]
    time = last.time.range - first.time.range
    return (last.output_len.range - first.output_len.range) / time if time.low > 0 else None


def concurrency(card: Card) -> Iterator[Finding]:
    """A rate above that of one stream needs several requests at once; a card that says how many can be checked."""
    stream = single_stream(card)
    if stream is None:
        return
    rates = {
        f"comparison.{row.metric}.eager": row.eager for row in card.comparison if row.metric == "output_throughput"
    }
    if card.speed.decode:
        rates["speed.decode"] = card.speed.decode.rate
    for name, rate in rates.items():
        ratio = rate.range / stream
        if ratio.low <= 1:
            yield Finding(f"{name}.concurrency", "ok", "rate <= that of one stream", rate.text, f"{stream} tok/s")
            continue
        yield Finding(
            f"{name}.concurrency",
            "note",
            "a rate above that of one request at a time needs several at once",
            f"{rate.text}, {ratio} times the {stream} tok/s of one request",
            f"at least {math.ceil(ratio.low)} requests at once",
            "the card does not say how many requests ran at once: the figure cannot be compared with another one",
        )


def prefill(card: Card) -> Iterator[Finding]:
    """A prefill rate that counts the generated tokens' time is bounded by what one stream needs for them."""
    load, stream = card.speed.prefill, single_stream(card)
    if load is None or stream is None or load.input_len is None:
        return
    generating = (load.output_len.range - _ONE) / stream
    bound = load.input_len.range / generating
    holds = load.rate.range.low <= bound.high
    yield Finding(
        "speed.prefill.basis",
        "ok" if holds else "note",
        "input tokens / time of a whole request <= input tokens / time for its output tokens",
        load.rate.text,
        f"at most {bound.high:.6g} tok/s for one request, generation included",
        ""
        if holds
        else "so the rate is of the prefill alone or of several requests at once: the card does not say which",
    )


def startup(card: Card) -> Iterator[Finding]:
    """A compiled start includes the work of an eager one and its own named parts."""
    parts = [part.value.range for part in card.startup.parts]
    if not parts:
        return
    extra = sum(parts, exact(0.0))
    for index, total in enumerate(card.startup.compiled, 1):
        whole = total.value.range.high
        longest = max(part.low for part in parts)
        name, statement = f"startup.compiled.{index}.parts", "named parts <= the whole start"
        found, expected = f"{extra} s of {total.value.text}", "not more than the whole"
        if longest <= whole < extra.low:
            why = f"only if one named part holds another, or they run at once ({total.where})"
            yield Finding(name, "note", statement, found, expected, why)
        else:
            yield judge(name, statement, found, expected, holds=extra.low <= whole, why=total.where)
        if card.startup.eager is not None:
            yield from _over_eager(index, total, card.startup.eager, extra)


def _over_eager(index: int, total: Total, eager: Published, extra: Interval) -> Iterator[Finding]:
    """Two starts may differ in what was cached, so this need not hold exactly: never more than a note."""
    least = eager.range + extra
    name, statement = f"startup.compiled.{index}", "compiled start >= eager start + compilation + capture"
    holds = least.low <= total.value.range.high
    why = f"eager takes {eager.text} and the named parts {extra} s more: only if the two starts found other caches"
    found = f"{total.value.text} ({total.where})"
    yield Finding(
        f"{name}.over_eager",
        "ok" if holds else "note",
        statement,
        found,
        f"at least {least.low:.4g} s",
        "" if holds else why,
    )
    spare = total.value.range - least
    if spare.low > 0:
        yield Finding(
            f"{name}.unaccounted",
            "note",
            "start-up time that no named part explains",
            f"{spare} s",
            "0 s",
            "the card does not say what the rest of the compiled start is spent on",
        )


def loads_agree(card: Card) -> Iterator[Finding]:
    """Start-up and load-time rows are about the same starts."""
    row: Comparison | None = next((r for r in card.comparison if r.metric == "load_time"), None)
    if row is not None and card.startup.eager is not None:
        yield meets(
            "startup.eager.same",
            "load time = eager start",
            row.eager.range,
            card.startup.eager.range,
            "s",
            why="two values of one start",
        )


RULES = (gains, tokens_per_request, spread, end_to_end, concurrency, prefill, startup, loads_agree)
