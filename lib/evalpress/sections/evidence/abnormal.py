"""Signs of a broken engine in generated text: characters no text has, mixed scripts, loops, tokens that are unlikely.

The limits are set so that human text of many languages gives no alarm. A model may have such habits itself (small
models fall into loops): whether the reference would write the same tokens is reported beside each alarm.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["replacement_characters", "script_burst", "repetition_loop", "token_rank"]

MAX_RANK = 20
"""A greedy token has rank 1 in the reference: none is clearly better (`reading.NEAR_TIE_SPACINGS`)."""
MAX_RANK_SHARE = 0.10
MIN_RANKS = 40
"""Share of tokens that may have another rank than 1, and the fewest tokens for which it is judged."""
LOOP_TOKENS = 48
LOOP_REPEATS = 5
LOOP_PERIOD = 32
"""A loop: a piece of at most LOOP_PERIOD tokens, LOOP_REPEATS times or more in a row, LOOP_TOKENS tokens in all."""
SCRIPTS_IN_WINDOW = 4
WINDOW_LETTERS = 120
"""A burst: this many scripts within this many letters."""
MIXED_WORDS = 2
RARE_LETTERS = 3
"""A burst, too: this many words of two alphabets, or letters of a script that few texts use."""

_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "KANGXI")
_COMMON = (
    *("LATIN", "EAST ASIAN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "BENGALI", "TAMIL"),
    *("TELUGU", "GUJARATI", "KANNADA", "MALAYALAM", "GURMUKHI", "GEORGIAN", "ARMENIAN", "VIETNAMESE"),
)
_ALPHABETS = ("LATIN", "CYRILLIC", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "ARMENIAN", "GEORGIAN")
"""Scripts of which a word has one only. Greek letters are in formulas and units beside Latin ones."""
_WORD = re.compile(r"\w+|([^\w\s])\1*")
"""A word, or a row of one sign, such as a ruled line."""
_CUT_CHARACTER = re.compile("\ufffd{1,3}$")


@dataclass(frozen=True)
class Alarm:
    """One sign. `start` and `end` are token positions of the output (characters where no tokens were given)."""

    kind: Kind
    start: int
    end: int
    found: str


def scan(
    text: str,
    token_ids: Sequence[int] = (),
    ranks: Sequence[int] = (),
    *,
    prompt: str = "",
    cut: bool = False,
) -> list[Alarm]:
    """All signs in one output.

    Args:
        text: what was generated.
        token_ids: its tokens; without them loops are looked for in its words.
        ranks: place of each token in the reference's logits after the same beginning, 1 for the largest.
        prompt: scripts and characters that are in it are expected in the output.
        cut: whether generation ended at a token limit, which may cut a character in pieces.
    """
    return [
        *_replacement(text, prompt, cut),
        *_scripts(text, prompt),
        *_loops(list(token_ids) or [found.group() for found in _WORD.finditer(text)]),
        *_ranks(ranks),
    ]


def _replacement(text: str, prompt: str, cut: bool) -> Iterator[Alarm]:
    body = _CUT_CHARACTER.sub("", text) if cut else text
    odd = [at for at, char in enumerate(body) if _no_text_has(char) and char not in prompt]
    if odd:
        named = ", ".join(sorted({f"U+{ord(body[at]):04X}" for at in odd}))
        yield Alarm("replacement_characters", odd[0], odd[-1] + 1, f"{len(odd)} × {named}")


def _no_text_has(char: str) -> bool:
    """The replacement character, controls other than white space, unassigned and private code points."""
    return char == "\ufffd" or (unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") and not char.isspace())


def _scripts(text: str, prompt: str) -> Iterator[Alarm]:
    expected = {script(char) for char in prompt} | {None}
    letters = [(at, name) for at, char in enumerate(text) if (name := script(char)) is not None]
    rare = [(at, name) for at, name in letters if name not in _COMMON and name not in expected]
    if len(rare) >= RARE_LETTERS and len(rare) < len(letters) / 2:
        names = sorted({str(name).title() for _, name in rare})
        yield Alarm("script_burst", rare[0][0], rare[-1][0] + 1, f"{len(rare)} letters of {', '.join(names)}")
    mixed = [(word.start(), word.group()) for word in re.finditer(r"\w+", text) if _is_mixed(word.group())]
    if len(mixed) >= MIXED_WORDS:
        yield Alarm("script_burst", mixed[0][0], mixed[-1][0] + len(mixed[-1][1]), f"words such as {mixed[0][1]!r}")
    for end in range(len(letters)):
        window = letters[max(0, end - WINDOW_LETTERS + 1) : end + 1]
        names = sorted({str(name).title() for _, name in window if name not in expected})
        if len(names) >= SCRIPTS_IN_WINDOW:
            yield Alarm("script_burst", window[0][0], window[-1][0] + 1, f"{', '.join(names)} close together")
            return


def _is_mixed(word: str) -> bool:
    return len({name for char in word if (name := script(char)) in _ALPHABETS}) > 1


@cache
def script(char: str) -> str | None:
    """The script of a letter, from the first word of its Unicode name; None for what is not a letter."""
    if not char.isalpha():
        return None
    name = unicodedata.name(char, "UNNAMED").split()[0]
    if name in ("FULLWIDTH", "MATHEMATICAL", "SUPERSCRIPT", "SUBSCRIPT", "MODIFIER", "DOUBLE-STRUCK", "SCRIPT"):
        return "LATIN"
    if name in ("MICRO", "OHM", "KELVIN", "ANGSTROM", "FEMININE", "MASCULINE", "ALEF"):
        return None
    return "EAST ASIAN" if name in _EAST_ASIAN else name


def _loops(tokens: Sequence[object]) -> Iterator[Alarm]:
    """The longest loop, if there is one."""
    best: tuple[int, int, int] | None = None
    for period in range(1, LOOP_PERIOD + 1):
        run = 0
        for at in range(period, len(tokens)):
            run = run + 1 if tokens[at] == tokens[at - period] else 0
            length = run + period
            if run and length >= max(LOOP_TOKENS, LOOP_REPEATS * period) and (best is None or length > best[0]):
                best = (length, at + 1 - length, period)
    if best is not None:
        length, start, period = best
        piece = "the same token" if period == 1 else f"a piece of {period} tokens"
        yield Alarm("repetition_loop", start, start + length, f"{piece}, {length // period} times in a row")


def _ranks(ranks: Sequence[int]) -> Iterator[Alarm]:
    odd = [at for at, rank in enumerate(ranks) if rank > MAX_RANK]
    if odd:
        worst = max(ranks)
        yield Alarm("token_rank", odd[0], odd[-1] + 1, f"{len(odd)} tokens beyond rank {MAX_RANK}, worst {worst}")
    other = [at for at, rank in enumerate(ranks) if rank > 1]
    if not odd and len(ranks) >= MIN_RANKS and len(other) > MAX_RANK_SHARE * len(ranks):
        yield Alarm(
            "token_rank", other[0], other[-1] + 1, f"{len(other)} of {len(ranks)} tokens have a clearly better one"
        )
