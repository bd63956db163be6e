"""Published numbers, their precision, and the invariants that they must satisfy. Imports no engine.

A published number represents the interval that its digits allow; an invariant is broken only when no values inside
the intervals satisfy it. The rules are general: each takes what a file of claims holds of its numbers, and says
nothing of a file that holds none.
"""

from __future__ import annotations

from pathlib import Path

from evalpress.claims import rules_logits, rules_model, rules_speed
from evalpress.claims.card import Card, load
from evalpress.claims.finding import Finding

__all__ = ["Card", "Finding", "audit", "load"]

_RULES = (*rules_model.RULES, *rules_speed.RULES, *rules_logits.RULES)
_ORDER = ("broken", "note", "ok")


def audit(path: Path) -> list[Finding]:
    """Every finding on a file of claims, what is broken first.

    Raises:
        UserError: the file is missing or not as the schema says.
    """
    card = load(path)
    found = [finding for rule in _RULES for finding in rule(card)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.status))
