"""The card's phrases in a language, and numbers as a card prints them."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import yaml

from evalpress.display import chinese
from evalpress.display.language import translated

Words = Callable[..., str]
LANGUAGES = ("en", "zh")


def in_language(language: str) -> Words:
    """A function from a phrase's name (and its fields) to its text."""
    source = (files("evalpress") / "report" / "card" / "words.yaml").read_text(encoding="utf-8")
    phrases: dict[str, dict[str, str]] = yaml.safe_load(source)

    def word(phrase: str, /, **fields: Any) -> str:
        told = {key: translated(value) if isinstance(value, str) else value for key, value in fields.items()}
        if phrase not in phrases:
            return phrase
        text = str(phrases[phrase][language]).format(**told)
        return chinese.set_right(text) if language == "zh" else text

    return word


def number(value: Any, digits: int = 4) -> str:
    """A number to that many significant digits, thousands separated; n/a for None."""
    if value is None:
        return "n/a"
    if value == 0 or not math.isfinite(value):
        return str(value)
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{min(places, 12)}f}"


def count(value: Any) -> str:
    """A whole number, thousands separated; n/a for None."""
    return "n/a" if value is None else f"{value:,.0f}"


def share(value: Any) -> str:
    """A share in per cent."""
    return "n/a" if value is None else f"{value:.1%}"


def change(ratio: float) -> str:
    """A ratio as a change in per cent."""
    return f"{ratio - 1:+.1%}".replace("-", "−")
