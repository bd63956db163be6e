"""A rough estimate for sections that were never measured in a report: a short pilot of the host, and the set's sizes.

The pilot measures one copy and one matrix product (about three seconds). A step of the model then takes as long as
reading its weights or multiplying them, whichever is longer, and a fixed part per layer. What this leaves out (other
kernels, queues, the sandbox) makes the estimate right within a factor of about two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from evalpress import model
from evalpress.core.errors import MeasurementError, UserError
from evalpress.params import prompts
from evalpress.params.engine import EAGER
from evalpress.params.schema import Params
from evalpress.platforms import rates
from evalpress.sections.evidence.server_answers import OTHERS
from evalpress.sections.quality.budget import cases_of
from evalpress.sections.quality.human_eval import PROBLEMS
from evalpress.sections.quality.results import Kind

_DEVICE = {"cpu": "cpu", "cuda": "cuda", "ascend": "npu"}
_COPY_BYTES = {"cpu": 2**27, "cuda": 2**30, "ascend": 2**30}
_SIZE = {"cpu": 512, "cuda": 4096, "ascend": 4096}
_STEP_S, _LAYER_S = 0.002, 0.0003
"""Seconds of an engine step and of each layer in it that are neither reading nor multiplying."""
SETUP_S, _START_S, _COMPILE_S, _COMPILE_LAYER_S = 15.0, 25.0, 65.0, 0.7
"""Seconds of the setup section, of an engine's or server's start, and of compilation: fixed and per layer (whose graphs
are equal and compiled once)."""
_ANSWERED = 0.4
"""Share of `max_tokens` that answers of quality cases use on average."""
_ALONE, _READ = 6, 4
"""Determinism checks that send one prompt at a time, and passes of transformers over their outputs."""
_BESIDE = 2.0
"""How many times as long the alignment section takes on a CPU, beside which servers start."""
_PROMPT, _SHARED = 32, 256
"""Tokens of an evidence prompt, about, and of the beginning that the check of the prefix cache puts before it."""


@dataclass(frozen=True)
class Speed:
    """What decides how fast a model runs here, as far as a pilot can tell."""

    weight_bytes: float
    active_parameters: float
    layers: int
    bytes_s: float
    flop_s: float
    starts: float = 1.0
    """How long starts take here, as a multiple of the seconds above; the setup section, which imports vLLM, says it."""

    @property
    def start_s(self) -> float:
        """Seconds of an engine's or server's start from a filled compile cache."""
        return self.starts * _START_S

    @property
    def compile_s(self) -> float:
        """Seconds that an empty compile cache adds."""
        return self.starts * (_COMPILE_S + _COMPILE_LAYER_S * self.layers)

    def step_s(self, tokens: int) -> float:
        """Seconds of one engine step over `tokens` tokens, prompt or generated."""
        work = max(self.weight_bytes / self.bytes_s, 2 * self.active_parameters * tokens / self.flop_s)
        return _STEP_S + _LAYER_S * self.layers + work

    def requests_s(self, count: int, input_len: int, output_len: int, at_once: int | None) -> float:
        """Seconds of `count` requests, `at_once` at a time; None: all of them."""
        batch = max(1, min(count, at_once or count))
        one = self.step_s(batch * input_len) + output_len * self.step_s(batch)
        return math.ceil(count / batch) * one


def speed(params: Params) -> Speed | None:
    """The model's speed from the pilot; None where the model's facts or the host's rates are not available."""
    if model.local(params) is None:
        return None
    backend = params.platform.backend
    try:
        found = model.facts(params)
        measured = _host(backend, params.engine.dtype)
    except (RuntimeError, MeasurementError, UserError):
        return None
    if found.parameters is None or found.weight_bytes is None:
        return None
    return Speed(
        weight_bytes=found.weight_bytes,
        active_parameters=found.parameters - (found.inactive_parameters or 0),
        layers=len(found.layers or ()),
        bytes_s=max(measured.copies) / 2,
        flop_s=max(product.flop_s for product in measured.products),
    )


@cache
def _host(backend: str, dtype: str) -> rates.Peaks:
    """The pilot itself, once per process: later the device's memory may be taken."""
    return rates.peaks(_DEVICE[backend], _COPY_BYTES[backend], [dtype], [_SIZE[backend]])


@cache
def _texts(file: str) -> tuple[prompts.Prompt, ...]:
    return tuple(prompts.load((file,)))


def section_s(name: str, params: Params, known: Speed) -> float | None:
    """Seconds that a section of this set may take, within a factor of about two."""
    estimates = {
        "setup": lambda: SETUP_S * known.starts,
        "benchmark": lambda: _benchmark_s(params, known),
        "alignment": lambda: _alignment_s(params, known),
        "quality": lambda: _quality_s(params, known),
        "serving": lambda: _serving_s(params, known),
        "evidence": lambda: _evidence_s(params, known),
    }
    return estimates[name]() if name in estimates else None


def _starts_s(params: Params, known: Speed) -> float:
    """Engines of all modes from an empty compile cache, and once more from the filled one."""
    compiled = sum(mode != EAGER for mode in params.engine.modes)
    return known.start_s * (len(params.engine.modes) + compiled) + compiled * known.compile_s


def _benchmark_s(params: Params, known: Speed) -> float:
    asked, modes = params.benchmark, len(params.engine.modes)
    total = 0.0
    for load in asked.workloads.values():
        at_once = params.engine.max_num_seqs if load.concurrent else 1
        block = known.requests_s(load.num_prompts, load.input_len, load.output_len, at_once)
        total += (asked.blocks + 1) * modes * block
    if asked.scaling:
        curves = asked.scaling
        points = sum(
            known.requests_s(n, curves.batch_input_len, curves.batch_output_len, n) for n in curves.batch_sizes
        )
        points += sum(known.step_s(length) for length in curves.prompt_lens)
        total += (curves.repeats + 1) * modes * points
    return _starts_s(params, known) + total + _features_s(params, known)


def _features_s(params: Params, known: Speed) -> float:
    """Every part of `benchmark.features` that the set names, each with engines of its own."""
    wanted, total, engines = params.benchmark.features, 0.0, 0
    if depth := wanted.depth:
        each = known.requests_s(1, 1, depth.output_len, 1) + known.step_s(depth.chunk_len)
        total += (depth.repeats + 1) * (known.step_s(params.engine.max_model_len) + depth.points * each)
    if shared := wanted.prefix_cache:
        total += sum(shared.requests * known.step_s(length + shared.own_len) for length in shared.shared_lens)
    if guessed := wanted.speculation:
        one = known.requests_s(1, guessed.repeated_len, guessed.output_len, 1)
        total, engines = total + 4 * (guessed.repeats + 1) * guessed.requests * one, engines + 1
    if cache := wanted.kv_cache:
        runs = (cache.repeats + 1) * known.requests_s(cache.requests, cache.input_len, cache.output_len, cache.requests)
        runs += cache.requests * cache.positions * known.step_s(cache.input_len)
        total, engines = total + 2 * len(cache.dtypes) * runs, engines + len(cache.dtypes)
    engines += bool(wanted.depth or wanted.prefix_cache)
    return total + engines * known.start_s


def _alignment_s(params: Params, known: Speed) -> float:
    asked, total = params.alignment, known.start_s
    for text in (text for file in asked.prompts for text in _texts(file)):
        tokens = min(asked.max_position, max(1, len(text.text) // 3))
        positions = min(asked.vllm_positions, tokens)
        total += len(params.engine.modes) * positions * known.step_s(max(1, tokens // 2))
        if text.kind == "prompt":
            total += len(params.engine.modes) * 2 * known.requests_s(1, tokens, asked.decode_tokens, 1)
        total += 4 * known.step_s(tokens)  # reference, noise floor and the second implementation
    return total * (_BESIDE if params.platform.backend == "cpu" else 1.0)


def _quality_s(params: Params, known: Speed) -> float:
    asked = params.quality
    found = [case for file in asked.cases for case in cases_of(file)[: asked.limit]]
    kind: Kind = "base" if model.base_model(params)[0] else "chat"
    tokens = sum(case.sampling_for(kind).max_tokens for case in found) / max(len(found), 1)
    total = known.requests_s(len(found), 64, int(_ANSWERED * tokens), params.engine.max_num_seqs)
    if asked.human_eval.run:
        problems = asked.human_eval.limit or PROBLEMS
        count, length = problems * (1 + asked.human_eval.samples), int(_ANSWERED * asked.human_eval.max_tokens)
        total += known.requests_s(count, 150, length, params.engine.max_num_seqs) + 0.5 * count
    return total


def _serving_s(params: Params, known: Speed) -> float:
    asked, total = params.serving, 0.0
    for level in asked.concurrency:
        total += known.requests_s(asked.requests_per_level + level, asked.input_len, asked.output_len, level)
    total += len(asked.rate_shares) * 1.5 * asked.rate_seconds
    if asked.slo_search:
        total += 2 * asked.slo_search.steps * 1.5 * asked.rate_seconds
    load = len(asked.modes) * asked.repeats * total
    if not asked.base_url:  # without HTTP, for comparison
        load += len(asked.modes) * known.requests_s(asked.requests_per_level, asked.input_len, asked.output_len, 1)
    return known.start_s + load + _server_evidence_s(params, known) + _further_starts_s(params, known)


def _further_starts_s(params: Params, known: Speed) -> float:
    """Cold and warm starts of every server, and vLLM's own beside them where the set asks for it."""
    asked = params.serving.starts
    if params.serving.base_url:
        return 0.0
    warm = len(params.serving.modes) * known.start_s
    cold = warm + sum(mode != EAGER for mode in params.serving.modes) * known.compile_s
    return (2 if asked.bench else 1) * (asked.cold * cold + asked.warm * warm)


def _evidence_s(params: Params, known: Speed) -> float:
    """Answers, checks one prompt at a time and in batches, and what transformers reads of the outputs."""
    asked = params.evidence
    count, each = _evidence_sizes(params)
    alone = known.requests_s(count, _PROMPT, asked.max_tokens, 1)
    one_by_one = _ALONE * known.requests_s(count, _PROMPT, each, 1) + 2 * count * known.step_s(_SHARED)
    batches = (2 * asked.repeats + 1) * known.requests_s(count, _PROMPT, each, count)
    read = _READ * count * known.step_s(_PROMPT + each)
    return 2 * known.start_s + alone + one_by_one + batches + read


def _server_evidence_s(params: Params, known: Speed) -> float:
    """The evidence prompts sent to the server of the run book: alone, and among other requests."""
    count, each = _evidence_sizes(params)
    together = known.requests_s(count + OTHERS, _PROMPT, each, count + OTHERS)
    return known.requests_s(count, _PROMPT, each, 1) + together


def _evidence_sizes(params: Params) -> tuple[int, int]:
    """Evidence prompts, and output tokens of each in a determinism check."""
    count = sum(len(_texts(file)) for file in params.evidence.prompts)
    return count, math.ceil(params.evidence.check_tokens / max(1, count))
