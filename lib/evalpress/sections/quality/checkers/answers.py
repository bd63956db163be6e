"""Where an answer is in a text: without the reasoning block, sentence by sentence, after words that announce it."""

from __future__ import annotations

import re

_REASONING = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_ANNOUNCED = re.compile(
    r"(?:\b(?:final |correct |right )?(?:answer|result|total)\b[^.\n:]{0,60}?(?:\bis\b|\bare\b|:|=)"
    r"|答案(?:是|为|：|:)|结果(?:是|为)|(?:等于|得到))\**\s*",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)*]*\s+|(?<=[。！？])|\n+")


def without_reasoning(text: str) -> str:
    """The text without `<think>…</think>`; nothing of an unfinished block is an answer."""
    if "</think>" in text and "<think>" not in text:  # templates that open the block in the prompt
        text = text.rpartition("</think>")[2]
    return _REASONING.sub("", text)


def sentences(text: str) -> list[str]:
    """Sentences and lines that are not blank, in order. A point inside a number ends no sentence."""
    return [part.strip() for part in _SENTENCE.split(text) if part and part.strip()]


def announced(text: str) -> list[str]:
    r"""What is in `\boxed{…}`, else what follows words such as “the answer is”, to the end of the sentence."""
    boxed = [str(part) for part in _BOXED.findall(text)]
    if boxed:
        return boxed
    ends = [found.end() for found in _ANNOUNCED.finditer(text)]
    rests = [(sentences(text[end:]) or [""])[0] for end in ends if not text[end : end + 1].isspace()]
    return [rest for rest in rests if rest]
