"""Which load a server stands: saturation, the knee of the curve and the highest rate that keeps the SLO."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import Cell, Column, Missing, Prose, Quantity, Table, fmt, pick
from evalpress.sections.serving.results import Results, Search
from evalpress.sections.serving.tables import slo_words

__dir__ = own_functions(__name__)


def saturation(document: Document[Results]) -> Prose:
    """The highest throughput of each server, in a sentence."""
    sentences = []
    for mode, found in document.data.saturation.items():
        reached = found.reached_why if found.reached else "not saturated yet at the highest level"
        sentences.append(
            f"**{mode}**: at most {fmt(found.output_throughput, 'tok/s')} and "
            f"{fmt(found.request_throughput, 'req/s')}, with {found.concurrency} requests in flight; {reached}."
        )
    return Prose(" ".join(sentences))


def knees(document: Document[Results]) -> Prose:
    """The knee of each server's load curve, in a sentence."""
    data = document.data
    if data.knees is None:
        return Prose(f"Knee of the curve: n/a ({data.knees_why}).")
    sentences = []
    for mode, found in data.knees.items():
        end = "; it is the last level on this side, so the knee may lie beyond it" if found.at_end else ""
        sentences.append(
            f"**{mode}**: knee at {found.concurrency} requests in flight ({fmt(found.request_throughput, 'req/s')}, "
            f"{fmt(found.share_of_saturation, 'share')} of the highest throughput, mean E2EL "
            f"{fmt(found.mean_e2el_ms, 'ms')}){end}."
        )
    rule = "The knee is the level with the highest request throughput / mean E2EL (Kleinrock's power)."
    return Prose(" ".join([*sentences, rule]))


def highest_rate(document: Document[Results]) -> Table:
    """The highest request rate that keeps the SLO, as the search found it."""
    data = document.data
    title = "Highest rate that keeps the SLO"
    if data.slo_search is None:
        return Table(title, ["", ""], [["not searched", Missing(data.slo_search_why or "")]])
    rows: list[list[Any]] = []
    for mode, found in data.slo_search.items():
        rates_ = [pick(found, key) for key in ("request_rate", "request_rate_high")]
        needed = Quantity(found.attainment_min, "share")
        rows.append([mode, needed, *rates_, _certain(found), pick(found, "request_goodput"), len(found.tried)])
    heads: list[Column | str] = ["server", "requests that must keep it", Column("keeps it", "req/s")]
    heads += [Column("does not", "req/s"), "95 % interval, req/s", Column("goodput", "req/s"), "rates tried"]
    note = (
        "Keeps it: the highest rate tried at which every repeat kept the SLO for that share of its requests; does not: "
        "the lowest at which one did not. Interval: from the highest rate whose attainment lies above the limit with "
        f"its whole 95 % interval to the lowest that lies below with it. Goodput: of the first. {slo_words(data)}"
    )
    return Table(title, heads, rows, note=note)


def _certain(found: Search) -> Cell:
    low, high = found.certain_rate, found.certain_rate_high
    if low is None and high is None:
        return Missing(found.certain_rate_why or "")
    if high is None:
        return f"at least {fmt(low)}"
    return f"at most {fmt(high)}" if low is None else f"{fmt(low)} to {fmt(high)}"


def replicas(document: Document[Results]) -> Table:
    """What each replica behind the URL answered."""
    found = document.data.replicas
    title = "Requests per replica"
    if found is None:
        return Table(title, ["", ""], [["not known", Missing(document.data.replicas_why or "")]])
    rows: list[list[Any]] = [[one.name, one.requests, Quantity(one.share, "share")] for one in found]
    note = "Counted by the server or its router over the whole section: single requests, load and search."
    return Table(title, ["replica", "requests", "share"], rows, note=note)
