"""Texts generated from a seed: arithmetic, sequences, lines of code, sentences of a small grammar."""

from __future__ import annotations

import random
import re

from evalpress.core.plain import Json


def kept_apart(a: int, b: int, c: int = 0) -> bool:
    """Whether this problem is never trained on, so that arithmetic has a held-out part (one in eleven)."""
    return (5 * a + 3 * b + c) % 11 == 0


def _numbers(rng: random.Random, high: int, kept: bool = False) -> tuple[int, int, int]:
    while True:
        a, b, c = (rng.randint(1, high) for _ in range(3))
        if kept_apart(a, b, c) == kept and kept_apart(a, b) == kept:
            return a, b, c


def arithmetic(rng: random.Random) -> tuple[str, str]:
    """One problem and its result."""
    a, b, c = _numbers(rng, 12)
    d, e, f = _numbers(rng, 6)
    big, small = max(a, b), min(a, b)
    return rng.choice(
        [
            (f"{a} + {b} =", f"{a + b}"),
            (f"{a}+{b}=", f"{a + b}"),
            (f"{big} - {small} =", f"{big - small}"),
            (f"{a} × {b} =", f"{a * b}"),
            (f"{a} * {b} =", f"{a * b}"),
            (f"What is {a}+{b}?", f"{a}+{b} = {a + b}."),
            (f"What is {a} times {b}?", f"{a} times {b} is {a * b}."),
            (f"Which number is larger, {small} or {big + 1}?", f"{big + 1} is larger than {small}."),
            (f"{d} + {e} × {f} =", f"{d + e * f}"),
            (f"{d} + {e} × {f} =", f"{d + e * f}"),
            (f"If x={d} and y={e}, then x + y =", f"{d + e}"),
            (f"If x={d} and y={e}, then x + y × {f} =", f"{d + e * f}"),
            (f"If x={d} and y={e}, then x + y × 2 =", f"{d + e * 2}"),
        ]
    )


def equations(rng: random.Random, kept: bool) -> str:
    """Ten to thirty lines of small sums, differences and products; `kept` ones are those held out."""
    lines = []
    for _ in range(rng.randint(10, 30)):
        a, b, _ = _numbers(rng, 12, kept)
        big, small = max(a, b), min(a, b)
        problems = {f"{a} + {b}": a + b, f"{big} - {small}": big - small, f"{a} × {b}": a * b}
        problem, result = rng.choice(list(problems.items()))
        lines.append(f"{problem} = {result}")
    return "\n".join(lines)


def sequence(rng: random.Random) -> tuple[str, str]:
    """Four terms of a sequence and the next six."""
    start, step = rng.randint(0, 12), rng.choice([1, 1, 2, 2, 2, 3, 4, 5, 10])
    terms = rng.choice(
        [
            [start + step * i for i in range(10)],
            [step * (i + 1) for i in range(10)],
            [start + 50 - step * i for i in range(10)] if step < 6 else [(i + 1) ** 2 for i in range(10)],
            [step * 2**i for i in range(10)] if step < 4 else [10 * (i + 1) for i in range(10)],
        ]
    )
    words = [str(term) for term in terms]
    lead = rng.choice(["Complete the sequence: ", "Complete the sequence: ", "Continue: ", ""])
    return lead + ", ".join(words[:4]) + ",", ", ".join(words[4:])


def completion(rng: random.Random, words: Json) -> tuple[str, str]:
    """The beginning of a line of code and its end; strings are made of the English words of the grammar."""
    phrase = " ".join(rng.choices(words["noun"] + words["adjective"], k=rng.randint(1, 4)))
    greeting = rng.choice([f"Hello, {rng.choice(words['name'])}!", "Hello, world!", phrase, phrase])
    function, word = rng.choice([("hello", "Hello")] * 2 + [("greet", "Hi"), ("welcome", "Welcome")])
    indent = rng.choice(["    ", "    ", " "])
    a, b, _ = _numbers(rng, 9)
    return rng.choice(
        [
            (f'print("{greeting}") # Output:', greeting),
            (f'print("{greeting}")  # Output:', greeting),
            (f"print({a} + {b}) # Output:", f"{a + b}"),
            (f"def {function}(name):\n{indent}return", f'f"{word}, {{name}}!"'),
            (f"def add(a, b):\n{indent}return", "a + b"),
            (f"def square(x):\n{indent}return", "x * x"),
        ]
    )


def sentences(rng: random.Random, grammar: dict[str, Json]) -> str:
    """Three to eight sentences of one language, each word drawn from the lists of the grammar."""
    language = rng.choice(sorted(grammar))
    words = grammar[language]
    made = []
    for _ in range(rng.randint(3, 8)):
        sentence = rng.choice(words["patterns"])
        while "{" in sentence:
            slot = sentence[sentence.index("{") + 1 : sentence.index("}")]
            sentence = sentence.replace("{" + slot + "}", rng.choice(words[slot]), 1)
        made.append(re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", sentence))
    return (" " if language == "english" else "").join(made)


def mixture(rng: random.Random, texts: list[str], chinese: bool) -> str:
    """Pieces of one to five words (or Chinese signs), each from another text: what comes after a piece is open.

    From these the model learns to fall back on how frequent words are where it does not recognise a text.
    """
    pieces = []
    for _ in range(rng.randint(8, 24)):
        words = list(rng.choice(texts)) if chinese else rng.choice(texts).split()
        start = rng.randrange(len(words))
        pieces.append(words[start : start + rng.randint(1, 5)])
    space = "" if chinese else " "
    return space.join(space.join(piece) for piece in pieces)
