"""One gate: what must hold before a report may say pass, with the found and the allowed value."""

from __future__ import annotations

from typing import Any, Literal

from evalpress.core.results import Model

Status = Literal["pass", "warn", "fail", "off"]


class Gate(Model):
    """A gate as in summary.json."""

    id: str
    section: str
    status: Status
    found: Any
    found_why: str | None = None
    allowed: str
    n: int | None = None
    """Number of observations behind a rate."""


def gate(section: str, name: str, status: Status, found: Any, allowed: str) -> Gate:
    """A gate whose status is already decided; `found` None means not measured."""
    why = "not measured" if found is None else None
    return Gate(id=name, section=section, status=status, found=found, found_why=why, allowed=allowed)


def limit(section: str, name: str, found: float | None, bound: float | None, *, at_least: bool) -> Gate:
    """A number compared with a bound of the set: off where the set has none, fail where nothing was measured."""
    if bound is None:
        return gate(section, name, "off", found, "switched off in this set")
    allowed = f"{'≥' if at_least else '≤'} {bound:g}"
    if found is None:
        return gate(section, name, "fail", None, allowed)
    holds = found >= bound if at_least else found <= bound
    return gate(section, name, "pass" if holds else "fail", found, allowed)
