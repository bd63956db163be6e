"""One loaded vLLM engine: generation with per-request timings, and raw logits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Options
from evalpress.engine.answers import Completion, Generated, Sampling, completion, logits_row, logits_rows
from evalpress.engine.counters import Counters
from evalpress.engine.log_lines import Figures
from evalpress.engine.results import Compilation, Startup

_ENTRIES = 2**20
"""Most logits requested from vLLM at a time: each is a Python object there, of some 200 bytes."""


@dataclass
class Engine:
    """A loaded engine. Made by `evalpress.engine.get`; `llm` is vLLM's own object."""

    llm: Any
    mode: str
    max_model_len: int
    startup: Startup
    memory: Figures
    compilation: Compilation
    arguments: Options
    inter_token_latencies: list[float] = field(default_factory=list)
    """Seconds between consecutive tokens, of all requests since `generate` began."""
    counters: Counters = field(default_factory=Counters)
    """What the engine's scheduler counted since it was loaded."""
    on_failure: Callable[[BaseException], str] | None = None
    """Called with an exception of vLLM; frees the engine and returns the reason in one line."""
    ended: str | None = None
    """Why the engine no longer answers; None while it does."""
    sampler_mode: str | None = None
    """What `worker_extension` changed in the sampler; None: nothing."""

    def generate(
        self, prompts: Sequence[str | Sequence[int]], sampling: Sampling | Sequence[Sampling]
    ) -> list[Completion]:
        """All prompts at once (the scheduler batches them); completions in the order of the prompts.

        Raises:
            MeasurementError: a prompt does not fit the context, vLLM gives no timings, or the engine failed, which
                frees it.
        """
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else list(sampling)
        requests = [self._request(index, prompt) for index, prompt in enumerate(prompts)]
        params = [
            _sampling(
                temperature=s.temperature,
                max_tokens=s.max_tokens,
                ignore_eos=s.ignore_eos,
                stop=list(s.stop) or None,
                seed=s.seed,
                logprobs=0 if s.scores else None,  # 0: the chosen token's alone
            )
            for s in each
        ]
        self.inter_token_latencies.clear()
        return [completion(output) for output in self._run(requests, params)]

    def _run(self, requests: Sequence[Any], params: Any) -> list[Any]:
        """vLLM's outputs; an exception of vLLM leaves requests queued in the engine, which is freed then.

        Raises:
            MeasurementError: the engine failed, now or earlier; the reason in one line, with the exception's type.
        """
        with self._answering() as llm:
            return list(llm.generate(requests, params, use_tqdm=False))

    @contextlib.contextmanager
    def _answering(self) -> Iterator[Any]:
        if self.llm is None:
            raise MeasurementError(self.ended or f"the {self.mode} engine is not loaded")
        try:
            yield self.llm
        except BaseException as error:
            if self.on_failure is None:
                raise
            reason = self.on_failure(error)
            if isinstance(error, Exception):
                raise MeasurementError(reason) from None
            raise

    @property
    def tokenizer(self) -> Any:
        """vLLM's tokenizer of the model."""
        with self._answering() as llm:
            return llm.get_tokenizer()

    @property
    def vocabulary_size(self) -> int:
        """Entries of the output matrix."""
        return int(self.config.model_config.get_vocab_size())

    @property
    def config(self) -> Any:
        """vLLM's own configuration of this engine."""
        with self._answering() as llm:
            return llm.llm_engine.vllm_config

    def _request(self, index: int, prompt: str | Sequence[int]) -> dict[str, list[int]]:
        ids = self.tokenize(prompt) if isinstance(prompt, str) else list(prompt)
        if len(ids) >= self.max_model_len:
            raise MeasurementError(
                f"prompt {index + 1} has {len(ids)} tokens: engine.max_model_len allows {self.max_model_len} "
                "with at least one to generate"
            )
        return {"prompt_token_ids": ids}

    @property
    def block_size(self) -> int:
        """Tokens per block of the KV cache; the prefix cache holds whole blocks only."""
        return int(self.config.cache_config.block_size)

    @property
    def kv_cache_tokens(self) -> int | None:
        """Tokens that the KV cache holds; None where vLLM does not say."""
        found = self.memory.get("kv_cache_tokens")
        return None if found is None else int(found)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, special tokens as the tokenizer adds them."""
        return list(self.tokenizer.encode(text))

    def logits(self, token_ids: Sequence[int], positions: Sequence[int]) -> NDArray[np.float32]:
        """Raw full-vocabulary logits (before temperature, penalties and softmax), teacher-forced.

        Args:
            token_ids: the text.
            positions: 0-based positions whose next-token logits are wanted.

        Returns:
            float32 array of shape [len(positions), vocabulary].
        """
        params = _sampling(temperature=0, max_tokens=1, logprobs=-1, detokenize=False)
        rows: list[NDArray[np.float32]] = []
        step = max(1, _ENTRIES // self.vocabulary_size)
        for start in range(0, len(positions), step):
            asked = [{"prompt_token_ids": list(token_ids[: at + 1])} for at in positions[start : start + step]]
            rows += [logits_row(output.outputs[0].logprobs[0]) for output in self._run(asked, params)]
        return np.stack(rows)

    def decode(
        self, prompts: Sequence[Sequence[int]], steps: int, others: Sequence[Sequence[int]] = ()
    ) -> list[Generated]:
        """Greedy answers of `steps` tokens each, all at once, with the raw logits of every step.

        Args:
            prompts: token ids.
            steps: tokens to generate; the end of a text is ignored.
            others: further prompts, answered in the same batch without logits.

        Raises:
            MeasurementError: a prompt with its answer does not fit the context.
        """
        longest = max(len(ids) for ids in (*prompts, *others)) + steps
        if longest > self.max_model_len:
            raise MeasurementError(f"found {longest} tokens with the answer, engine.max_model_len allows fewer")
        plain: Options = {"temperature": 0, "max_tokens": steps, "ignore_eos": True, "detokenize": False}
        full = plain | {"logprobs": -1} | ({"flat_logprobs": True} if _has_flat_logprobs() else {})
        params = [*(_sampling(**full) for _ in prompts), *(_sampling(**plain) for _ in others)]
        requests = [{"prompt_token_ids": list(ids)} for ids in (*prompts, *others)]
        outputs = self._run(requests, params)[: len(prompts)]
        return [
            Generated(tuple(done.token_ids), logits_rows(done.logprobs), output.num_cached_tokens or 0)
            for output in outputs
            for done in output.outputs
        ]

    def log_likelihoods(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
        """Natural-log probability of each continuation after its context, both as token ids.

        The engine must have been loaded with `logprobs_mode="raw_logprobs"`; the set's own engines give logits.

        Raises:
            MeasurementError: it was not, or the engine failed.
        """
        if self.arguments.get("logprobs_mode") != "raw_logprobs":
            raise MeasurementError("log-likelihoods need an engine with logprobs_mode='raw_logprobs'")
        params = _sampling(temperature=0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        requests = [self._request(index, [*before, *after]) for index, (before, after) in enumerate(pairs)]
        outputs = self._run(requests, params)
        return [
            sum(output.prompt_logprobs[len(before) + i][token].logprob for i, token in enumerate(after))
            for output, (before, after) in zip(outputs, pairs, strict=True)
        ]


def _sampling(**settings: Any) -> Any:
    """vLLM's sampling parameters."""
    from vllm import SamplingParams

    return SamplingParams(**settings)


def _has_flat_logprobs() -> bool:
    """Whether this vLLM can give log-probabilities as plain lists, without an object per token and step."""
    from vllm import SamplingParams

    return "flat_logprobs" in getattr(SamplingParams, "__struct_fields__", ())
