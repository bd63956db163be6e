"""Notes on the outputs of a base model: one on all outputs, a remark on each that looks unusual."""

from __future__ import annotations

import re

_BLANK = re.compile(r"_{2,}|[(（]\s*[)）]|＿+")
_CHOICE = re.compile(r"(?:^|\n)\s*[(（]?[A-D](?:[.)）、．:：]|\s*$)")


def base_note(is_base: bool, instruct_model: str | None) -> str:
    """The note on the outputs of a base model; empty for an instruct model."""
    if not is_base:
        return ""
    hint = f" For dialogue, use {instruct_model}." if instruct_model else ""
    return (
        "This is a base model: it continues text and was not tuned to follow instructions. Outputs that fill a "
        "blank, offer answer choices or run on are its normal behaviour, not a fault of inference." + hint
    )


def remarks(output: str, finish_reason: str, *, base: bool) -> list[str]:
    """Which habits of a base model an output shows; none are looked for in an instruct model's."""
    if not base:
        return []
    seen = [
        ("leaves a blank to fill in, as exercises do", bool(_BLANK.search(output))),
        ("offers answer choices, as examinations do", bool(_CHOICE.search(output))),
        ("runs on until the token limit instead of ending", finish_reason == "length"),
    ]
    return [words for words, there in seen if there]
