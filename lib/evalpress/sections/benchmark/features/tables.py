"""Tables of what deployments switch on; a part that the set does not ask for has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import Cell, Change, ChangeInterval, Column, Missing, Prose, Table, fmt, number, pick
from evalpress.sections.benchmark.features.results import (
    OFF,
    Depth,
    Features,
    KvCacheFigures,
    Outputs,
    PrefixHits,
    Speculation,
    Speed,
)
from evalpress.sections.benchmark.results import Results

__dir__ = own_functions(__name__)

P = TypeVar("P")
Found: TypeAlias = Table | None
Heads: TypeAlias = list[Column | str]
_NANO = 1e9


def summary(document: Document[Results]) -> Prose:
    """In which mode the parts were measured, or why none was."""
    found = document.data.features
    if found is None:
        return Prose(f"Not measured: {document.data.features_why}.")
    return Prose(f"Measured in {found.mode} mode, each part beside the same engine without it.")


def depth(document: Document[Results]) -> Found:
    """Decode and prefill speed at every length of the cached context."""
    return _part(document, "Speed against cached context", lambda found: (found.depth, found.depth_why), _depth)


def depth_slope(document: Document[Results]) -> Found:
    """What one cached token costs a decode step, beside what reading it takes at least."""
    title = "Cost of a cached token"
    return _part(document, title, lambda found: (found.depth, OFF), _slope)


def prefix_cache(document: Document[Results]) -> Found:
    """Hits of the prefix cache beside the arithmetic of the prompts."""
    return _part(document, "Prefix cache", lambda found: (found.prefix_cache, found.prefix_cache_why), _prefix)


def speculation(document: Document[Results]) -> Found:
    """Acceptance, speed and outputs of n-gram speculation."""
    return _part(document, "N-gram speculation", lambda found: (found.speculation, found.speculation_why), _speculation)


def kv_cache(document: Document[Results]) -> Found:
    """A row for each KV cache dtype."""
    found = document.data.features
    if found is None or not found.kv_cache:
        return None
    heads: Heads = ["dtype", Column("per token", "bytes"), Column("tokens", "tokens"), "speed", "95 % interval"]
    heads += ["identical outputs", "unexplained", Column("same best token", "share"), "RMSE", "largest difference"]
    rows: list[list[Cell]] = []
    for dtype, one in found.kv_cache.items():
        if one.figures is None:
            rows.append([dtype, *[Missing(str(one.figures_why))] * (len(heads) - 1)])
        else:
            rows.append([dtype, *_kv_cells(one.figures)])
    plain = next((one.figures for one in found.kv_cache.values() if one.figures), None)
    note = (
        "Against an engine with the model's own KV cache dtype, the same prompts of random tokens, all at once. Speed: "
        "change of the output tokens per second. RMSE and largest difference: raw logits of the whole vocabulary at "
        "the last positions of every prompt. A dtype equal to the model's own must change nothing."
    )
    if plain and plain.plain_bytes_per_token and plain.plain_tokens:
        note += (
            f" The model's own takes {fmt(plain.plain_bytes_per_token, 'bytes')} per token, and the cache holds "
            f"{fmt(plain.plain_tokens, 'tokens')}."
        )
    return Table("KV cache dtypes", heads, rows, note=note)


def _part(
    document: Document[Results],
    title: str,
    part: Callable[[Features], tuple[P | None, str | None]],
    shown: Callable[[str, P], Table],
) -> Found:
    """The table of a part, its reason where it was refused, nothing where the set does not ask for it."""
    if document.data.features is None:
        return None
    found, why = part(document.data.features)
    if found is not None:
        return shown(title, found)
    return None if why == OFF else Table(title, ["", ""], [["not measured", Missing(str(why))]])


def _depth(title: str, found: Depth) -> Table:
    rows: list[list[Cell]] = [
        [
            point.cached_tokens,
            point.decode_tok_s,
            1e3 * point.decode_s_per_token,
            _between(point.decode_s_per_token_low, point.decode_s_per_token_high, point.decode_s_per_token_low_why),
            point.prefill_tok_s,
            1e3 * point.prefill_s,
            _between(point.prefill_s_low, point.prefill_s_high, point.prefill_s_low_why),
            point.runs,
        ]
        for point in found.points
    ]
    heads: Heads = ["cached tokens", Column("decode", "tok/s"), Column("per token", "ms"), "95 % interval, ms"]
    heads += [Column("prefill", "tok/s"), Column(f"{found.chunk_len} tokens take", "ms"), "95 % interval, ms", "runs"]
    note = (
        f"One request at a time, whose first tokens are in the KV cache: {found.rule}. Decode: the time between first "
        f"and last of {found.output_len} tokens. Prefill: {found.chunk_len} further prompt tokens, from scheduled to "
        "first token. Medians over the runs, which go through the lengths up and down in turn; intervals of the median "
        "come from order statistics."
    )
    return Table(title, heads, rows, note=note)


def _between(low: float | None, high: float | None, why: str | None) -> Cell:
    """An interval in milliseconds, of bounds in seconds."""
    return Missing(str(why)) if low is None or high is None else f"{number(1e3 * low)} to {number(1e3 * high)}"


def _slope(title: str, found: Depth) -> Table:
    row: list[Cell] = [
        _NANO * found.slope_s,
        f"{number(_NANO * found.slope_s_low)} to {number(_NANO * found.slope_s_high)}",
        pick(found, "kv_bytes_per_cached_token"),
        Missing(str(found.bound_s_why)) if found.bound_s is None else _NANO * found.bound_s,
        pick(found, "ratio"),
    ]
    heads: Heads = [Column("each cached token adds", "ns"), "95 % interval, ns", Column("KV cache", "bytes")]
    heads += [Column("reading it takes", "ns"), Column("slope / reading", "ratio")]
    note = (
        "Slope of the time per decoded token against the cached tokens over all runs: the median of the slopes of all "
        "pairs (Theil-Sen) with Sen's interval. Reading: the KV bytes of one token / the memory bandwidth measured in "
        "this run. A ratio well above 1: attention is limited by something else than reading the cache. Below 1: the "
        "context is read from a processor's cache, which is faster than memory."
    )
    return Table(title, heads, [row], note=note)


def _prefix(title: str, found: PrefixHits) -> Table:
    rows: list[list[Cell]] = [
        [
            group.shared_len,
            group.own_len,
            group.requests,
            group.prompt_tokens,
            group.expected_hits,
            group.hits,
            group.hits / group.prompt_tokens,
            group.first_ttft_ms,
            group.later_ttft_ms,
        ]
        for group in found.groups
    ]
    heads: Heads = ["shared tokens", "own tokens", "requests", "prompt tokens", "expected hits", "hits"]
    heads += [Column("hit rate", "share"), Column("first TTFT", "ms"), Column("later TTFT", "ms")]
    counted = f"{fmt(found.counted_hits)} hits of {fmt(found.counted_queries)} tokens"
    note = (
        f"Requests one after the other. Expected: full blocks of {found.block_size} tokens that an earlier prompt "
        "begins with, without the last token of a prompt, which is always computed. Hits: tokens that the requests "
        f"read from the cache; the engine's own counters say {counted}. In all {fmt(found.rate, 'share')} of the "
        f"prompt tokens, {fmt(found.expected_rate, 'share')} expected. Later TTFT: median of the other requests."
    )
    return Table(title, heads, rows, note=note)


def _speculation(title: str, found: Speculation) -> Table:
    rows: list[list[Cell]] = [
        [
            name,
            pick(load, "acceptance_rate"),
            pick(load, "mean_acceptance_length"),
            load.accepted_tokens,
            load.draft_tokens,
            load.speed.plain_tok_s,
            load.speed.feature_tok_s,
            *_speed(load.speed),
            *_outputs(load.outputs),
        ]
        for name, load in found.loads.items()
    ]
    heads: Heads = ["prompts", Column("acceptance rate", "share"), "mean acceptance length", "accepted tokens"]
    heads += ["drafted tokens", Column("without it", "tok/s"), Column("with it", "tok/s"), "speed", "95 % interval"]
    heads += ["identical outputs", "unexplained"]
    note = (
        f"Temperature 0, one request at a time, {found.output_len} tokens each; prompts from {found.prompts}, as they "
        f"are (ordinary) and repeated. {found.num_speculative_tokens} tokens are guessed where the last "
        f"{found.prompt_lookup_min} to {found.prompt_lookup_max} occurred before. Acceptance rate: accepted / drafted "
        "tokens. Mean acceptance length: 1 + accepted tokens / drafts. Both from the engine's counters. Unexplained: "
        "outputs whose first difference is no tie within two rounding steps of the engine's dtype."
    )
    return Table(title, heads, rows, note=note)


def _speed(found: Speed) -> list[Cell]:
    """The change, and its interval or why it has none."""
    if found.ci_low is None or found.ci_high is None:
        return [Change(found.ratio), Missing(str(found.ci_low_why))]
    return [Change(found.ratio), ChangeInterval(found.ci_low, found.ci_high)]


def _outputs(found: Outputs) -> list[Cell]:
    return [f"{fmt(found.identical)} of {fmt(found.of)}", found.unexplained]


def _kv_cells(found: KvCacheFigures) -> list[Cell]:
    held = [pick(found, "bytes_per_token"), pick(found, "tokens")]
    far: list[Cell] = [found.top1_agreement, found.rmse, found.max_abs_err]
    return [*held, *_speed(found.speed), *_outputs(found.outputs), *far]
