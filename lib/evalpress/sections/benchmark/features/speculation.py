"""N-gram speculation: how many guesses are accepted, what it gains, and whether outputs stay the same."""

from __future__ import annotations

from evalpress import engine
from evalpress.core.plain import Options
from evalpress.core.results import nulls
from evalpress.engine import Engine
from evalpress.params import prompts as prompt_files
from evalpress.params.features import SpeculationParams
from evalpress.params.schema import Mode, Params
from evalpress.sections.benchmark.features import paired
from evalpress.sections.benchmark.features.depth import Draw
from evalpress.sections.benchmark.features.observations import Paired, SpeculationRuns
from evalpress.sections.benchmark.features.results import Speculation, SpeculationLoad

REPEATING, ORDINARY = "repeating", "ordinary"
_RANDOM_LEN = 24


def config(wanted: SpeculationParams) -> Options:
    """vLLM's `speculative_config`."""
    keys = ("num_speculative_tokens", "prompt_lookup_min", "prompt_lookup_max")
    return {"method": "ngram"} | {key: getattr(wanted, key) for key in keys}


def loads(wanted: SpeculationParams, loaded: Engine, draw: Draw) -> dict[str, paired.Load]:
    """The prompts, once repeated and once as they are."""
    if from_files(wanted, loaded):
        texts = [loaded.tokenize(one.text) for one in prompt_files.load(wanted.prompts)[: wanted.requests]]
    else:
        texts = [draw(min(_RANDOM_LEN, wanted.repeated_len), 2000 + n) for n in range(wanted.requests)]
    size = wanted.repeated_len
    kinds = {
        REPEATING: [(ids * (size // len(ids) + 1))[:size] for ids in texts],
        ORDINARY: [ids[:size] for ids in texts],
    }
    return {name: paired.Load(found, wanted.output_len, together=False) for name, found in kinds.items()}


def from_files(wanted: SpeculationParams, loaded: Engine) -> bool:
    """Whether the prompts are texts: the set names some, and the model has a tokenizer."""
    return bool(wanted.prompts) and not loaded.arguments.get("skip_tokenizer_init")


def run(params: Params, mode: Mode, wanted: SpeculationParams, draw: Draw) -> SpeculationRuns:
    """Both kinds of prompts, without and with speculation in turn.

    Raises:
        MeasurementError: this vLLM has no n-gram speculation on the platform, with its reason.
    """
    plain = engine.get(params, mode)
    asked = loads(wanted, plain, draw)
    source = ", ".join(wanted.prompts) if from_files(wanted, plain) else "random tokens"
    changed = {"speculative_config": config(wanted)}
    found = paired.measure(params, mode, changed, asked, wanted.repeats, lambda _: None)
    runs = {
        name: found.paired(name, load, lambda: engine.get(params, mode), params.engine.dtype)
        for name, load in asked.items()
    }
    return SpeculationRuns(prompts=source, loads=runs)


def report(wanted: SpeculationParams, observed: SpeculationRuns) -> Speculation:
    """Rates, speed and outputs from raw observations."""
    return Speculation(
        num_speculative_tokens=wanted.num_speculative_tokens,
        prompt_lookup_min=wanted.prompt_lookup_min,
        prompt_lookup_max=wanted.prompt_lookup_max,
        prompts=observed.prompts,
        output_len=wanted.output_len,
        loads={name: figures(runs) for name, runs in observed.loads.items()},
    )


def figures(observed: Paired) -> SpeculationLoad:
    """Acceptance as vLLM's documentation computes it from its counters, and the speed.

    Acceptance rate: accepted / drafted tokens. Mean acceptance length: 1 + accepted tokens / drafts. Per position: how
    often a draft's n-th token was accepted / drafts.
    """
    counted = observed.drafted
    drafted = counted.draft_tokens > 0
    rates = {
        "acceptance_rate": counted.accepted_tokens / counted.draft_tokens if drafted else None,
        "mean_acceptance_length": 1 + counted.accepted_tokens / counted.drafts if drafted else None,
    }
    return SpeculationLoad(
        requests=len(observed.other[0].outputs),
        drafts=counted.drafts,
        draft_tokens=counted.draft_tokens,
        accepted_tokens=counted.accepted_tokens,
        **(rates if drafted else nulls(rates, "no n-gram occurred twice: nothing was guessed")),
        accepted_per_position=tuple(n / counted.drafts for n in counted.accepted_per_position if counted.drafts),
        speed=paired.speed(observed),
        outputs=observed.outputs,
    )
