"""How a Chinese text is set: full-width signs, brackets, and blanks beside Latin letters and figures."""

from __future__ import annotations

import re
from typing import Final

_WIDE: Final = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_HAN: Final = "\u4e00-\u9fff"
_SIGNS: Final = {",": "，", ":": "：", ";": "；"}
_SIGN = re.compile(
    r"(?P<kept>[A-Za-z]+[._][A-Za-z._]+: |(?<!\w)[−+]?[\d.]+, (?=[\d−+]))"
    f"|(?P<sign>[,:;])(?: (?! )|(?<=[{_WIDE}].)$)"
)
"""A sign of English; a parameter before its value, and numbers, keep it."""
_STOP = re.compile(f"(?<=[{_WIDE}])[.](?= |$)|[.](?: (?=[{_HAN}])|$)")
_WITH_HAN = re.compile(f" ?[(]([^()（）]*[{_HAN}][^()（）]*)[)](?: (?=[{_WIDE}]))?")
_WITHOUT = re.compile(f" ?（([^()（）{_WIDE}]*)）(?=([{_HAN}A-Za-z0-9])?)")
_TOUCHING = re.compile(f"(?<=[A-Za-z0-9%×])(?=[{_HAN}])|(?<=[{_HAN}])(?=[A-Za-z0-9])")
_LATENCY = re.compile("(首|每) ?Token ?(?=延迟)|Token ?(?=间延迟)")
_COUNTED = re.compile(f"^[个次段幅张](?=[{_HAN}])")


def set_right(text: str) -> str:
    """`text` with its signs as Chinese sets them; one without Chinese letters is unchanged.

    Brackets are full-width where Chinese is in them; a blank is between Chinese and Latin letters or figures, except
    in terms that the glossary writes without.
    """
    if not re.search(f"[{_HAN}]", text):
        return text
    text = _SIGN.sub(lambda found: found["kept"] or _SIGNS[found["sign"]], text)
    text = _STOP.sub("。", text)
    for _ in range(2):
        text = _WITH_HAN.sub(r"（\1）", text)
    text = _WITHOUT.sub(lambda found: f" ({found[1]}){' ' if found[2] else ''}", text)
    text = _TOUCHING.sub(" ", text)
    return _LATENCY.sub(lambda found: found[0].replace(" ", ""), text)


def alone(text: str) -> str:
    """The name of what is counted without the word that stands between a number and it: 个位置 as 位置."""
    return _COUNTED.sub("", text)
