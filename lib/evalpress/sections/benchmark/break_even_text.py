"""Break-even in words: no figure where the run shows no gain, else two digits and the range that the gain allows."""

from __future__ import annotations

from evalpress.display.tables import Prose, fmt
from evalpress.display.values import Change, ChangeInterval
from evalpress.sections.benchmark.results import BreakEven, BreakEvenFigures, PairedMetric, Results


def paragraphs(data: Results) -> Prose:
    """After how many tokens each way of compiling has made up for its longer start, in a paragraph per mode."""
    if not data.pairs:
        return Prose(f"**Break-even**: n/a ({data.break_even.workload_why}).")
    told = []
    for mode, pair in data.pairs.items():
        gain = pair.comparison.get(pair.break_even.workload or "", {}).get("output_throughput")
        told.append(_made_up(pair.break_even, mode, gain, named=len(data.pairs) > 1))
    return Prose("\n\n".join(told))


def _made_up(found: BreakEven, mode: str, gain: PairedMetric | None, *, named: bool) -> str:
    head = f"**Break-even of {mode}**" if named else "**Break-even**"
    words = f"{head}, on the workload `{found.workload}`, import and configuration apart: "
    if found.tokens is not None and (unknown := _no_gain(gain)):
        later = (found.extra_startup_s or 0.0) > 0
        return (
            f"{words}{mode} mode starts {fmt(found.extra_startup_s, 's')} later. {unknown}"
            if later
            else words + _paid(found, mode, gain)
        )
    told = [words + _paid(found, mode, gain)]
    if found.by_phases:
        told.append(f"By the phases compile, capture and KV cache alone: {_paid(found.by_phases, mode, gain)}")
    if found.cold:
        told.append(f"With an empty compile cache: {_paid(found.cold, mode, gain)}")
    return " ".join(told)


def _no_gain(gain: PairedMetric | None) -> str | None:
    """Why there is no figure, where the interval of the change in output throughput contains none."""
    if gain is None or gain.ratio is None or gain.ci_low is None or gain.ci_high is None or gain.ci_low > 1:
        return None
    change, interval = Change(gain.ratio).plain(), ChangeInterval(gain.ci_low, gain.ci_high).plain()
    return (
        f"Whether it makes up for that is not known: the 95 % interval of its change in output throughput ({change}, "
        f"{interval}) contains no gain."
    )


def _paid(found: BreakEvenFigures, mode: str, gain: PairedMetric | None) -> str:
    if found.tokens is None or found.seconds is None or found.extra_startup_s is None:
        return f"{found.tokens_why}."
    if found.extra_startup_s <= 0:
        return f"immediately: {mode} mode did not start later than eager in this run."
    return (
        f"{mode} mode starts {fmt(found.extra_startup_s, 's')} later and has made up for its longer start after about "
        f"{_about(found.tokens)} output tokens, {_about(found.seconds)} s of running ({_span(found, gain)})."
    )


def _span(found: BreakEvenFigures, gain: PairedMetric | None) -> str:
    if found.tokens_low is not None or found.tokens_high is not None:
        low, high = _end(found.tokens_low), _end(found.tokens_high)
        return f"{low} to {high} tokens, 95 % interval of starts and speed-up together"
    if gain is None or gain.ci_low is None or gain.ci_high is None or gain.eager is None or gain.ci_low <= 1:
        return f"no interval: {found.tokens_low_why}"
    extra = found.extra_startup_s or 0.0
    ends = [extra * gain.eager / (1 - 1 / ratio) for ratio in (gain.ci_high, gain.ci_low)]
    return (
        f"{_about(ends[0])} to {_about(ends[1])} tokens at the ends of the speed-up's 95 % interval, with the start-up "
        f"times as measured; {found.tokens_low_why}"
    )


def _end(tokens: float | None) -> str:
    return "never" if tokens is None else _about(tokens)


def _about(value: float) -> str:
    """Two significant digits: 21,057 as 21,000."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
