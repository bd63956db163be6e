"""Throughputs: which tokens or requests, over which duration. vLLM's duration is the time in which its client ran."""

from __future__ import annotations

from dataclasses import dataclass

from evalpress.reconcile.observed import Run

NUMERATORS = {
    "completed": "answered requests",
    "sent": "all requests, failed ones too",
    "output": "output tokens",
    "output_rest": "output tokens without each request's first",
    "chunks": "chunks, not tokens",
    "input": "input tokens",
    "total": "input and output tokens",
}
DURATIONS = {
    "stated": "the duration that the file states",
    "window": "the tool's measured time by its own time stamps",
    "span": "first request sent to last token",
    "end": "first request sent to the end of the last response",
    "sending": "first request sent to last request sent",
    "tokens": "first token to last token of all requests",
    "serial": "the requests' own times added up",
    "decode": "the requests' decoding times added up",
}
VLLM = {
    "request_throughput": "completed",
    "output_throughput": "output",
    "total_token_throughput": "total",
}
"""What vLLM counts, by metric."""
_STATED = ("vllm bench serve", "AIPerf")
"""Tools whose stated duration is vLLM's."""


@dataclass(frozen=True)
class Rate:
    """One way to compute a throughput."""

    value: float
    words: str
    key: str


def counts(run: Run) -> dict[str, float]:
    """The numerators that the file gives, from its requests or from its totals."""
    found: dict[str, float] = {}
    answered, totals = run.answered, run.totals
    if not run.requests or run.means:
        known = {"completed": totals.completed, "input": totals.input_tokens, "output": totals.output_tokens}
        found = {key: float(value) for key, value in known.items() if value is not None}
        if totals.completed is not None and totals.failed is not None:
            found["sent"] = float(totals.completed + totals.failed)
        if totals.completed is not None and totals.output_tokens is not None:
            found["output_rest"] = float(totals.output_tokens - totals.completed)
    else:
        found = {"completed": float(len(answered)), "sent": float(len(run.requests))}
        outputs = [one.output_tokens for one in answered]
        inputs = [one.input_tokens for one in answered]
        if all(tokens is not None for tokens in outputs):
            found["output"] = float(sum(tokens or 0 for tokens in outputs))
            found["output_rest"] = found["output"] - len(answered)
        if all(tokens is not None for tokens in inputs):
            found["input"] = float(sum(tokens or 0 for tokens in inputs))
        if all(one.gaps_s is not None for one in answered):
            found["chunks"] = float(sum(len(one.gaps_s or ()) + 1 for one in answered))
    if "input" in found and "output" in found:
        found["total"] = found["input"] + found["output"]
    return found


def durations(run: Run) -> dict[str, float]:
    """The durations in seconds that the file gives."""
    known = {"stated": run.duration_s, "window": run.window_s}
    found: dict[str, float] = {key: value for key, value in known.items() if value is not None}
    answered = run.answered
    if not answered:
        return found
    times = len(answered) if not run.means else (run.totals.completed or 0)
    latencies = [one.e2el_s for one in answered if one.e2el_s is not None]
    if len(latencies) == len(answered):
        found["serial"] = sum(latencies) * times / len(answered)
        firsts = [one.ttft_s for one in answered if one.ttft_s is not None]
        if len(firsts) == len(answered):
            found["decode"] = found["serial"] - sum(firsts) * times / len(answered)
    sent = [one.sent_s for one in answered if one.sent_s is not None]
    if run.means or len(sent) < len(answered):
        return {key: value for key, value in found.items() if value > 0}
    first = min(sent)
    found["sending"] = max(sent) - first
    for key, attribute in (("span", "e2el_s"), ("end", "end_s")):
        lasts = [
            s + value for s, one in zip(sent, answered, strict=True) if (value := getattr(one, attribute)) is not None
        ]
        if len(lasts) == len(sent):
            found[key] = max(lasts) - first
    starts = [s + one.ttft_s for s, one in zip(sent, answered, strict=True) if one.ttft_s is not None]
    if "span" in found and len(starts) == len(sent):
        found["tokens"] = found["span"] - (min(starts) - first)
    return {key: value for key, value in found.items() if value > 0}


def rates(run: Run) -> dict[str, Rate]:
    """Every throughput that the file allows, by `numerator/duration`."""
    found: dict[str, Rate] = {}
    for top, count in counts(run).items():
        for bottom, seconds in durations(run).items():
            key = f"{top}/{bottom}"
            found[key] = Rate(count / seconds, f"{NUMERATORS[top]} / {DURATIONS[bottom]}", key)
    return found


def vllm_duration(run: Run) -> tuple[str, float] | None:
    """The duration under vLLM's definition: first request sent to last token, else the one that the file states."""
    found = durations(run)
    if run.tool in _STATED and "stated" in found:
        return "stated", found["stated"]
    return next(((key, found[key]) for key in ("span", "window", "stated") if key in found), None)
