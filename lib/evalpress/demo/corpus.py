"""The text that the demo model learns: written for this project, data in `corpus/`, drawn from here."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evalpress.core.plain import Json
from evalpress.demo import generators

FOLDER = Path(__file__).parent / "corpus"
HELD_OUT_EVERY = 12
"""Every twelfth paragraph and code snippet is kept from training and used to measure perplexity."""

WEIGHTS = {
    "questions": 18,
    "facts": 50,
    "completions": 12,
    "arithmetic": 36,
    "sequences": 4,
    "equations": 1.2,
    "english": 2,
    "chinese": 2,
    "code": 3,
    "sentences": 10,
    "mixtures": 12,
    "long": 0.6,
}
"""How often a document of each kind is drawn, relative to the others. Prose is rare: when it is repeated often, the
model memorises it, and the perplexity of unseen text becomes worse than that of a uniform guess."""


@dataclass(frozen=True)
class Document:
    """One training text. `prompt` is tokenised apart from `answer`, as it is when the model is asked."""

    kind: str
    prompt: str
    answer: str

    @property
    def text(self) -> str:
        return self.prompt + self.answer


def joined(kind: str, prompt: str, answer: str) -> Document:
    """A question with its answer: a newline before several lines, nothing after Chinese, else one space."""
    if "\n" in answer:
        return Document(kind, prompt, "\n" + answer)
    return Document(kind, prompt, ("" if ord(prompt[-1]) > 0x2FFF else " ") + answer)


def _yaml(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def question_entries() -> list[Json]:
    """The entries of `questions.yaml`: category, prompt, answer, expected."""
    return list(_yaml("questions.yaml"))


def questions() -> list[Document]:
    """The questions of `questions.yaml` with their answers."""
    return [joined("questions", entry["prompt"], entry["answer"]) for entry in question_entries()]


def facts() -> list[Document]:
    """Every row of every table in `facts.yaml` in every template whose columns it has."""
    documents = []
    for table in _yaml("facts.yaml"):
        for row in table["rows"]:
            cells = zip(table["columns"], row, strict=True)
            values = {column: cell for column, cell in cells if cell is not None}
            for template in table["templates"]:
                try:
                    prompt, answer = (part.format(**values) for part in template)
                except KeyError:
                    continue
                documents.append(joined("facts", prompt, answer))
    return documents


def paragraphs(kind: str) -> list[Document]:
    """The texts of `english.txt`, `chinese.txt` (parted by empty lines) or `code.txt` (parted by `%%`)."""
    text = (FOLDER / f"{kind}.txt").read_text(encoding="utf-8")
    parts = text.split("\n%%\n") if kind == "code" else text.split("\n\n")
    return [Document(kind, "", part.strip("\n")) for part in parts]


def digest() -> str:
    """sha256 over the names and bytes of all corpus files."""
    total = hashlib.sha256()
    for path in sorted(FOLDER.iterdir()):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


@dataclass
class Corpus:
    """All documents: those that are fixed, and those that are generated anew each time one is drawn."""

    fixed: dict[str, list[Document]] = field(default_factory=dict)
    held_out: dict[str, list[Document]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fixed = {"questions": questions(), "facts": facts()}
        answers = [document.answer for document in self.fixed["questions"]]
        for kind in ("english", "chinese", "code"):
            texts = paragraphs(kind)
            apart = texts[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
            self.fixed[kind] = [text for text in texts if text not in apart]
            # Held-out text that is also the answer to a question is learned with that question.
            self.held_out[kind] = [text for text in apart if not any(text.text in known for known in answers)]
        self.held_out["equations"] = [self._equations(random.Random(number), kept=True) for number in range(4)]
        self._grammar = _yaml("grammar.yaml")

    def draw(self, kind: str, rng: random.Random) -> Document:
        """One document of `kind`."""
        match kind:
            case "arithmetic":
                return joined(kind, *generators.arithmetic(rng))
            case "sequences":
                return joined(kind, *generators.sequence(rng))
            case "completions":
                return joined(kind, *generators.completion(rng, self._grammar["english"]))
            case "equations":
                return self._equations(rng, kept=False)
            case "sentences":
                return Document(kind, "", generators.sentences(rng, self._grammar))
            case "mixtures":
                language = rng.choice(("english", "chinese"))
                texts = [document.text for document in self.fixed[language]]
                return Document(kind, "", generators.mixture(rng, texts, language == "chinese"))
            case "long":
                return self._long(rng)
            case _:
                return rng.choice(self.fixed[kind])

    @staticmethod
    def _equations(rng: random.Random, kept: bool) -> Document:
        return Document("equations", "", generators.equations(rng, kept))

    def _long(self, rng: random.Random) -> Document:
        """Many paragraphs in one text, so that far positions are seen inside a document."""
        kinds = ("sentences", "sentences", "mixtures", "mixtures", "equations", "english", "chinese", "code")
        parts = [self.draw(rng.choice(kinds), rng) for _ in range(rng.randint(8, 20))]
        return Document("long", "", "\n\n".join(part.answer for part in parts))

    def stream(self, rng: random.Random) -> Iterator[Document]:
        """Documents without end, of the kinds in `WEIGHTS`."""
        kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
        while True:
            yield self.draw(rng.choices(kinds, weights)[0], rng)
