"""How the outputs of each determinism check are generated."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from evalpress import engine
from evalpress.core.errors import MeasurementError
from evalpress.engine import Completion, Engine, Sampling
from evalpress.launch.environment import THREADS
from evalpress.params.engine import COMPILED, EAGER
from evalpress.params.schema import Mode, Params
from evalpress.sections.evidence import server_answers
from evalpress.sections.evidence.comparing import Answer, Answers, Found, More, Run, divergence
from evalpress.sections.evidence.lengths import output_tokens
from evalpress.sections.evidence.reading import Reader
from evalpress.sections.job import Job

SHARED_BLOCKS = 2
"""Blocks of the KV cache that the prompts of the prefix cache's check have in common."""
TEMPERATURE = 0.8
"""Temperature of the check with drawn tokens."""


def answer(completion: Completion) -> Answer:
    """Tokens and scores of one completion."""
    return Answer(completion.token_ids, completion.scores)


def completions_alone(loaded: Engine, asked: Answers, sampling: Sampling) -> dict[str, Completion]:
    """Every prompt by itself, one after the other."""
    return {name: loaded.generate([ids], sampling)[0] for name, ids in asked.items()}


def alone(loaded: Engine, asked: Answers, sampling: Sampling) -> Run:
    """Every prompt by itself, one after the other."""
    return {name: answer(done) for name, done in completions_alone(loaded, asked, sampling).items()}


def together(loaded: Engine, asked: Answers, sampling: Sampling) -> Run:
    """All prompts in one batch."""
    done = loaded.generate(list(asked.values()), sampling)
    return {name: answer(one) for name, one in zip(asked, done, strict=True)}


def cut(run: Run, length: int) -> Run:
    """The first tokens of every output."""
    return {name: one.first(length) for name, one in run.items()}


@dataclass
class Checks:
    """One method per check. Engines are asked for by mode each time: where memory holds one only, they take turns."""

    job: Job
    asked: Answers
    reader: Reader

    def __post_init__(self) -> None:
        p = self.job.params
        self.main: Mode = p.evidence.mode
        longest = max(map(len, self.asked.values()))
        self.length = output_tokens(p, len(self.asked), longest)
        self.repeated = output_tokens(p, len(self.asked), longest, p.evidence.repeats)
        self.sampling = Sampling(max_tokens=self.length, ignore_eos=True, scores=True)
        self.first: Run = alone(engine.get(p, self.main), self.asked, self.sampling)
        self.by_mode: dict[Mode, Run] = {self.main: self.first}

    def all(self) -> list[tuple[str, str, Callable[[], Found]]]:
        """Key, what is changed, and the measurement; engines change as seldom as possible on the way."""
        p = self.job.params
        n, plain = p.evidence.repeats, self._plain()
        ranks = p.engine.tensor_parallel_size
        one_rank = [("tensor_parallel", f"one rank in place of {ranks}, {plain} engine", self.one_rank)]
        return [
            ("same_engine_again", f"the same engine, asked again {n} times, one by one", self.again),
            ("batch_of_all", f"all prompts in one batch, {n} times", self.batch),
            ("shuffled_batch", f"one batch in {n} other orders", self.shuffled),
            ("seeded_sampling", f"temperature {TEMPERATURE:g}, the same seed, {n} times", self.seeded),
            ("offline_against_server", f"the server ({p.serving.mode} mode), over HTTP, one by one", self.server),
            ("server_under_load", f"the server among {server_answers.OTHERS} other requests, {n} times", self.loaded),
            ("vllm_against_transformers", f"transformers on CPU in {p.engine.dtype}, greedy", self.transformers),
            *self._modes(),
            ("prefix_cache", f"long prompts, {plain} engine: prefix cache on against off", self.prefix_cache),
            ("new_engine", f"a freshly loaded {plain} engine", self.new_engine),
            *(one_rank if ranks > 1 else []),
        ]

    def _modes(self) -> list[tuple[str, str, Callable[[], Found]]]:
        """A check for each mode beside the one that everything else is compared with; one without a second mode."""
        base = self._base()
        others = [mode for mode in self._every() if mode != base] or [COMPILED if base == EAGER else EAGER]
        rows: list[tuple[str, str, Callable[[], Found]]] = []
        for mode in others:
            name = "compiled_against_eager" if {mode, base} == {EAGER, COMPILED} else f"{mode}_against_{base}"
            asked = base if mode == self.main else mode
            told = f"the {asked} engine" if self.main in (mode, base) else f"the {mode} engine against the {base} one"
            rows.append((name, told, partial(self.other_mode, mode, base)))
        return rows

    def _every(self) -> tuple[Mode, ...]:
        """The engine's modes and the evidence's own."""
        return tuple(dict.fromkeys((*self.job.params.engine.modes, self.main)))

    def _base(self) -> Mode:
        """The mode that every other mode is compared with: eager, else the evidence's own."""
        return EAGER if EAGER in self.job.params.engine.modes else self.main

    def _plain(self) -> Mode:
        """The mode of freshly loaded engines: eager ones start in seconds, and what is new is not the mode."""
        return self._base()

    def _engine(self) -> Engine:
        return engine.get(self.job.params, self.main)

    def again(self) -> Found:
        """The same engine, `evidence.repeats` times; the texts are compared too, byte by byte."""
        sampling = replace(self.sampling, max_tokens=self.repeated)
        done = [
            completions_alone(self._engine(), self.asked, sampling) for _ in range(self.job.params.evidence.repeats)
        ]
        texts = {name: {run[name].text.encode("utf-8", "surrogatepass") for run in done} for name in self.asked}
        runs = [{name: answer(one) for name, one in run.items()} for run in done]
        more: More = {"identical_bytes": sum(len(found) == 1 for found in texts.values())}
        return Found(runs, cut(self.first, self.repeated), "first", self.asked, more)

    def batch(self) -> Found:
        """Batch of all against batch of one."""
        repeats = range(self.job.params.evidence.repeats)
        runs = [together(self._engine(), self.asked, self.sampling) for _ in repeats]
        return Found(runs, self.first, "first", self.asked, same_change=True)

    def shuffled(self) -> Found:
        """One batch, its orders drawn from the set's seed."""
        draw = random.Random(self.job.params.engine.seed)
        runs = []
        for _ in range(self.job.params.evidence.repeats):
            order = draw.sample(list(self.asked), len(self.asked))
            runs.append(together(self._engine(), {name: self.asked[name] for name in order}, self.sampling))
        return Found(runs, self.first, "first", self.asked)

    def seeded(self) -> Found:
        """Drawn tokens with a seed per request, in one batch, against the first time it was asked so."""
        sampling = replace(
            self.sampling, max_tokens=self.repeated, temperature=TEMPERATURE, seed=self.job.params.engine.seed
        )
        first, *runs = [
            together(self._engine(), self.asked, sampling) for _ in range(self.job.params.evidence.repeats + 1)
        ]
        return Found(runs, first, "seeded_first", self.asked, drawn=True)

    def server(self) -> Found:
        """What the serving section's server answered, one request at a time."""
        kept = server_answers.answers(self.job, self.asked)
        why = "the server gives log-probabilities, this engine raw logits"
        length = min(kept.length, self.length)
        return Found([cut(kept.alone, length)], cut(self.first, length), "first", self.asked, scores_why=why)

    def loaded(self) -> Found:
        """The server's answers while it processed other requests, against its answers to single requests."""
        kept = server_answers.answers(self.job, self.asked)
        length = max(len(one.token_ids) for run in kept.under_load for one in run.values())
        return Found(kept.under_load, cut(kept.alone, length), "server", self.asked)

    def transformers(self) -> Found:
        """Greedy decoding by transformers, up to the first token that differs from vLLM's.

        One forward pass over the prompt and vLLM's own answer is sufficient: as long as every token so far is the arg
        max, greedy decoding has generated the same text and continues from the same tokens.
        """
        p = self.job.params
        texts = {name: [*ids, *self.first[name].token_ids] for name, ids in self.asked.items()}
        at = {name: list(range(len(self.asked[name]) - 1, len(ids) - 1)) for name, ids in texts.items()}
        best: dict[str, list[int]] = {name: [] for name in texts}
        described, readings = self.reader.read(p.engine.dtype, texts, at, {})
        for one in readings:
            best[one.key] += one.best
        answers = {name: Answer(_until_differing(self.first[name].token_ids, ids)) for name, ids in best.items()}
        baseline = {name: one.first(len(answers[name].token_ids)) for name, one in self.first.items()}
        return Found([answers], baseline, "first", self.asked, {"reference": described}, scores_why="not generated")

    def other_mode(self, mode: Mode, base: Mode) -> Found:
        """One mode against another; the answers of the evidence's own mode are those that are compared with.

        Raises:
            MeasurementError: the set has one mode only.
        """
        if len(self._every()) < 2:
            raise MeasurementError("the set names one mode only (engine.modes)")
        if self.main in (mode, base):
            return Found([self._answers(base if mode == self.main else mode)], self.first, "first", self.asked)
        return Found([self._answers(mode)], self._answers(base), base, self.asked)

    def _answers(self, mode: Mode) -> Run:
        """Every prompt alone in a mode, asked once."""
        if mode not in self.by_mode:
            self.by_mode[mode] = alone(engine.get(self.job.params, mode), self.asked, self.sampling)
        return self.by_mode[mode]

    def prefix_cache(self) -> Found:
        """Prompts that share whole blocks, sent to an engine with the prefix cache and to one without.

        Raises:
            MeasurementError: the prompts do not fit the context, or nothing was read from the cache.
        """
        p, plain = self.job.params, self._plain()
        loaded = engine.get(p, plain)
        long = self._long_prompts(SHARED_BLOCKS * loaded.block_size, loaded.max_model_len)
        without = alone(loaded, long, self.sampling)
        with engine.fresh(p, plain, enable_prefix_caching=True) as caching:
            caching.generate([next(iter(long.values()))], Sampling(max_tokens=1))
            done = completions_alone(caching, long, self.sampling)
        cached = sum(one.cached_tokens for one in done.values())
        if cached == 0:
            raise MeasurementError("the engine read nothing from its prefix cache")
        more: More = {"cached_tokens": cached, "prompt_tokens": sum(map(len, long.values()))}
        return Found([{n: answer(one) for n, one in done.items()}], without, "prefix_cache_off", long, more)

    def _long_prompts(self, shared: int, limit: int) -> dict[str, list[int]]:
        """Every prompt after the same beginning: all prompts with their answers, repeated, `shared` tokens."""
        written = [token for name, ids in self.asked.items() for token in (*ids, *self.first[name].token_ids)]
        begin = list(itertools.islice(itertools.cycle(written), shared))
        longest = shared + max(map(len, self.asked.values())) + self.length
        if longest > limit:
            raise MeasurementError(f"filling the cache needs {longest} tokens, engine.max_model_len allows {limit}")
        return {name: [*begin, *ids] for name, ids in self.asked.items()}

    def new_engine(self) -> Found:
        """A freshly loaded engine, freed afterwards; the kept ones stay."""
        return self._against_plain(self.job.params)

    def one_rank(self) -> Found:
        """Tensor parallel size 1 against the set's: sums over ranks are added up in another order."""
        e = self.job.params.engine
        # Processors given rank by rank (0-3|4-7) all belong to the one rank.
        env = {name: value.replace("|", ",") if name == THREADS else value for name, value in e.env.items()}
        changed = e.model_copy(update={"tensor_parallel_size": 1, "env": env})
        return self._against_plain(self.job.params.model_copy(update={"engine": changed}))

    def _against_plain(self, params: Params) -> Found:
        """A new engine of these parameters against the outputs of the mode of freshly loaded engines."""
        plain = self._plain()
        against = "first" if plain == self.main else f"{self.main}_against_{plain}"
        baseline = self.by_mode.get(plain)
        if baseline is None:
            raise MeasurementError(f"the {plain} engine gave no outputs to compare with")
        with engine.fresh(params, plain) as loaded:
            return Found([alone(loaded, self.asked, self.sampling)], baseline, against, self.asked)


def _until_differing(first: Sequence[int], best: Sequence[int]) -> tuple[int, ...]:
    """`first` as far as each token is the best one, then the best one."""
    at = divergence(first, best)
    return tuple(first) if at is None else (*first[:at], best[at])


def tokens_of(run: Run) -> Mapping[str, list[int]]:
    """The output token ids alone, for the raw observations."""
    return {name: list(one.token_ids) for name, one in run.items()}
