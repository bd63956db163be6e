"""How each rung of the determinism ladder gets its answers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalpress import engine, model
from evalpress.core.errors import MeasurementError
from evalpress.engine import Completion, Engine, Sampling
from evalpress.params.schema import Mode
from evalpress.sections.evidence import server_answers
from evalpress.sections.evidence.comparing import Answers, divergence
from evalpress.sections.job import Job

SHARED_BLOCKS = 2
"""Blocks of the KV cache that the prompts of the prefix cache's rung have in common."""


@dataclass(frozen=True)
class Found:
    """A rung's answers with those they are compared with; `against` names the latter in the raw observations."""

    answers: Answers
    baseline: Answers
    against: str
    asked: Answers
    more: dict[str, Any] = field(default_factory=dict)


def tokens(answers: Mapping[str, Completion]) -> dict[str, list[int]]:
    """The output token ids alone."""
    return {name: list(answer.token_ids) for name, answer in answers.items()}


def alone(loaded: Engine, asked: Answers, sampling: Sampling) -> dict[str, Completion]:
    """Every prompt by itself, one after the other."""
    return {name: loaded.generate([ids], sampling)[0] for name, ids in asked.items()}


def together(loaded: Engine, asked: Answers, sampling: Sampling) -> dict[str, Completion]:
    """All prompts in one batch."""
    return dict(zip(asked, loaded.generate(list(asked.values()), sampling), strict=True))


@dataclass
class Rungs:
    """One method per rung. Engines are asked for by mode each time: where memory holds one only, they come and go."""

    job: Job
    asked: Answers
    sampling: Sampling
    first: Mapping[str, Completion]

    def __post_init__(self) -> None:
        self.main: Mode = self.job.params.evidence.mode
        self.first_tokens = tokens(self.first)
        self.eager: Answers | None = self.first_tokens if self.main == "eager" else None

    def all(self) -> list[tuple[str, str, Callable[[], Found]]]:
        """Key, what is changed, and the measurement; engines change as seldom as possible on the way."""
        p = self.job.params
        other = "compiled" if self.main == "eager" else "eager"
        plain = self._plain()
        return [
            ("same_engine_again", "the same engine, asked again, one by one", self.again),
            ("batch_of_all", "all prompts in one batch", self.batch),
            ("shuffled_batch", "one batch in another order", self.shuffled),
            ("offline_against_server", f"the server ({p.serving.mode} mode), over HTTP", self.server),
            ("vllm_against_transformers", f"transformers on CPU in {p.engine.dtype}, greedy", self.transformers),
            ("compiled_against_eager", f"the {other} engine", self.other_mode),
            ("prefix_cache", f"long prompts, {plain} engine: prefix cache on against off", self.prefix_cache),
            ("new_engine", f"a freshly loaded {plain} engine", self.new_engine),
        ]

    def _plain(self) -> Mode:
        """The mode of freshly loaded engines: eager ones start in seconds, and what is new is not the mode."""
        return "eager" if "eager" in self.job.params.engine.modes else self.main

    def _found(self, answers: Answers, **more: Any) -> Found:
        return Found(answers, self.first_tokens, "first", self.asked, more)

    def again(self) -> Found:
        """The same engine; the texts are compared too, byte by byte."""
        again = alone(engine.get(self.job.params, self.main), self.asked, self.sampling)
        same = sum(again[name].text.encode() == answer.text.encode() for name, answer in self.first.items())
        return self._found(tokens(again), identical_bytes=same)

    def batch(self) -> Found:
        """Batch of all against batch of one."""
        return self._found(tokens(together(engine.get(self.job.params, self.main), self.asked, self.sampling)))

    def shuffled(self) -> Found:
        """One batch, its order drawn from the set's seed."""
        order = random.Random(self.job.params.engine.seed).sample(list(self.asked), len(self.asked))
        asked = {name: self.asked[name] for name in order}
        return self._found(tokens(together(engine.get(self.job.params, self.main), asked, self.sampling)))

    def server(self) -> Found:
        """What the serving section's server answered."""
        return self._found(server_answers.answers(self.job, self.asked))

    def transformers(self) -> Found:
        """Greedy decoding by transformers, up to the first token that differs from vLLM's.

        One forward pass over prompt and vLLM's own answer says it all: as long as every token so far is the arg
        max, greedy decoding has written the same text and sees the same beginning.
        """
        from evalpress.model import forward  # torch takes seconds to import

        p = self.job.params
        texts = {name: [*ids, *self.first_tokens[name]] for name, ids in self.asked.items()}
        at = {name: list(range(len(self.asked[name]) - 1, len(ids) - 1)) for name, ids in texts.items()}
        best: dict[str, list[int]] = {name: [] for name in texts}
        trust = p.model.trust_remote_code
        with forward.loaded(model.resolve(p), p.engine.dtype, trust_remote_code=trust) as run:
            for name, part in forward.forward(run, texts, at):
                best[name] += part.values.argmax(axis=1).tolist()
            described = dict(run.described)
        answers = {name: _until_differing(self.first_tokens[name], ids) for name, ids in best.items()}
        return self._found(answers, reference=described)

    def other_mode(self) -> Found:
        """Eager against compiled."""
        p = self.job.params
        other = next((mode for mode in p.engine.modes if mode != self.main), None)
        if other is None:
            raise MeasurementError("the set names one mode only (engine.modes)")
        answers = tokens(alone(engine.get(p, other), self.asked, self.sampling))
        if other == "eager":
            self.eager = answers
        return self._found(answers)

    def prefix_cache(self) -> Found:
        """Prompts that share whole blocks, asked of an engine that keeps them and of one that does not."""
        p, plain = self.job.params, self._plain()
        loaded = engine.get(p, plain)
        long = self._long_prompts(SHARED_BLOCKS * loaded.block_size, loaded.max_model_len)
        without = tokens(alone(loaded, long, self.sampling))
        with engine.fresh(p, plain, enable_prefix_caching=True) as caching:
            caching.generate([next(iter(long.values()))], self.sampling)
            answers = alone(caching, long, self.sampling)
        cached = sum(answer.cached_tokens for answer in answers.values())
        if cached == 0:
            raise MeasurementError("the engine read nothing from its prefix cache")
        of = sum(map(len, long.values()))
        return Found(tokens(answers), without, "prefix_cache_off", long, {"cached_tokens": cached, "prompt_tokens": of})

    def _long_prompts(self, shared: int, limit: int) -> dict[str, list[int]]:
        """Every prompt after the same beginning: all prompts with their answers, over and over, `shared` tokens."""
        written = [token for name, ids in self.asked.items() for token in (*ids, *self.first_tokens[name])]
        begin = list(itertools.islice(itertools.cycle(written), shared))
        longest = shared + max(map(len, self.asked.values())) + self.sampling.max_tokens
        if longest > limit:
            raise MeasurementError(f"filling the cache needs {longest} tokens, engine.max_model_len allows {limit}")
        return {name: [*begin, *ids] for name, ids in self.asked.items()}

    def new_engine(self) -> Found:
        """A freshly loaded engine, freed afterwards; the kept ones stay."""
        plain = self._plain()
        with engine.fresh(self.job.params, plain) as fresh:
            answers = tokens(alone(fresh, self.asked, self.sampling))
        if plain == self.main:
            return self._found(answers)
        if self.eager is None:
            raise MeasurementError("the eager engine, with which it is compared, gave no answers")
        return Found(answers, self.eager, "compiled_against_eager", self.asked)


def _until_differing(first: list[int], best: list[int]) -> list[int]:
    """`first` as far as each token is the best one, then the best one."""
    at = divergence(first, best)
    return first if at is None else [*first[:at], best[at]]
