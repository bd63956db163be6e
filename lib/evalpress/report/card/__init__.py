"""The model repository of a finished report: README, adaptation report, run book, flat results, scripts, pictures."""

from __future__ import annotations

from evalpress.report.card.make import make
from evalpress.report.card.words import LANGUAGES

__all__ = ["LANGUAGES", "make"]
