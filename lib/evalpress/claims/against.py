"""Published figures beside what a report measured of the same quantity.

Two figures are compared only where they are of the same thing: the same model and, for speed and logits, the same
class of device. Everything else is *not comparable*, with the reason. A comparable pair is *consistent* when the
interval that the published digits allow and the measured interval have a value in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from evalpress.claims.card import Card
from evalpress.claims.interval import Interval, Published
from evalpress.core.plain import Json

Status = Literal["consistent", "inconsistent", "not_comparable"]


@dataclass(frozen=True)
class Measured:
    """One measured figure, under the name of the quantity that a card may print too.

    `low` and `high` bound it: a 95 % interval, or both the value itself where it is exact. `unit` is the base unit
    of `claims.interval`: tok/s, req/s, s, share, count.
    """

    quantity: str
    value: float
    low: float
    high: float
    unit: str
    backend: str
    device: str
    model: str
    shape: str = ""
    """The shape of the requests behind a speed, in words; empty where it does not matter."""


@dataclass(frozen=True)
class Beside:
    """A published figure and the measured one, with what can be said of the two."""

    quantity: str
    claimed: str
    measured: str
    status: Status
    why: str

    def as_dict(self) -> Json:
        """As in the results file."""
        return asdict(self)


def compare(card: Card, measured: Iterable[Measured]) -> list[Beside]:
    """Every published figure for which `measured` has the same quantity."""
    claimed = dict(_figures(card))
    return [_beside(card, claimed[one.quantity], one) for one in measured if one.quantity in claimed]


def _figures(card: Card) -> Iterator[tuple[str, Published]]:
    """The figures of a card by quantity: `accuracy.<task>`, `logits.<metric>`, `<metric>.<mode>`."""
    for score in card.accuracy:
        yield f"accuracy.{score.task}", score.value
    if card.logits:
        overall = card.logits.overall
        yield "logits.top1_agreement", overall.top1
        yield "logits.top5_overlap", overall.top5
        yield "logits.cosine_similarity", overall.cosine
    for row in card.comparison:
        yield f"{row.metric}.eager", row.eager
        yield f"{row.metric}.compiled", row.compiled


def _beside(card: Card, claimed: Published, one: Measured) -> Beside:
    shown = f"{one.value:.4g}" + (f" ({one.low:.4g} to {one.high:.4g})" if one.low != one.high else "")
    reason = _not_comparable(card, one)
    if reason:
        return Beside(one.quantity, claimed.text, shown, "not_comparable", reason)
    agree = claimed.range.meets(Interval(one.low, one.high))
    why = "the two intervals have a value in common" if agree else "no value is in both intervals"
    if one.shape:
        why += f"; measured with {one.shape}, the card does not say which requests it used"
    return Beside(one.quantity, claimed.text, shown, "consistent" if agree else "inconsistent", why)


def _not_comparable(card: Card, one: Measured) -> str:
    """Why the two are not of the same thing; empty where they are."""
    if card.model is None:
        return "the card does not say which model it is about"
    if card.model.name != one.model:
        return f"claimed for {card.model.name}, measured on {one.model}"
    if one.quantity.startswith("accuracy."):
        return ""
    if card.environment is None:
        return "the card does not say on which device it was measured"
    if card.environment.backend != one.backend:
        return f"claimed on {card.environment.device} ({card.environment.backend}), measured on {one.device}"
    if _class(card.environment.device) != _class(one.device):
        return f"claimed on {card.environment.device}, measured on {one.device}"
    return ""


def _class(device: str) -> str:
    """A device's name without blanks, case and memory size: `Ascend 910B4` and `ascend910b4` are one."""
    return "".join(device.split("(")[0].lower().split())
