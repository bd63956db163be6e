"""Faults planted in the real engine's decode path: the comparison of prefill logits passes, that of decode finds them.

| fault | prefill gates | found by |
|---|---|---|
| rotary position one too high in every decode step | pass | decode: noise ratio and KL |
| KV slot shifted by one from the second decode step on | pass | decode: noise ratio and KL |
| the third token is picked | pass | decode: chosen_is_argmax and unexplained flips |
| log-probabilities in place of logits | pass: what a shift changes is not judged | named, as the scale of the run |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from evalpress import engine, params
from evalpress.core.paths import ROOT
from evalpress.params.schema import Params
from evalpress.sections.alignment import section, store
from evalpress.sections.alignment.baseline import NOISE_FLOOR
from evalpress.sections.alignment.collected import Passes
from evalpress.sections.alignment.comparison import compare
from evalpress.sections.alignment.decode import Scored
from evalpress.sections.alignment.decode import compare as compare_decoded
from evalpress.sections.alignment.gates import gates
from evalpress.sections.alignment.passes import every_pass
from evalpress.sections.alignment.section import tokenised
from transformers import AutoTokenizer

pytestmark = pytest.mark.slow

Plant = Callable[[Any, pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def demo() -> Params:
    loaded = params.load("demo")
    short = loaded.alignment.model_copy(update={"max_position": 40, "decode_tokens": 12, "vllm_positions": 4})
    only_eager = loaded.engine.model_copy(update={"modes": ("eager",)})
    return loaded.model_copy(update={"alignment": short, "engine": only_eager})


def runner(p: Params) -> Any:
    core = engine.get(p, "eager").llm.llm_engine.engine_core.engine_core
    return core.model_executor.driver_worker.worker.model_runner


def wrong_position(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """Every decode step of a request that is alone gets the next position's rotation."""
    rotary = {id(m): m for m in model_runner.model.modules() if "Rotary" in type(m).__name__}
    for module in rotary.values():
        right = module._forward_method
        patch.setattr(
            module, "_forward_method", lambda at, *a, right=right: right(at + 1 if at.numel() == 1 else at, *a)
        )


def shifted_slot(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """From the second decode step on keys and values are written one slot further."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackendImpl as Attention

    right, steps = Attention.do_kv_cache_update, dict[int, int]()

    def update(self: Any, layer: Any, key: Any, value: Any, cache: Any, slots: Any) -> None:
        steps[id(self)] = steps.get(id(self), 0) + 1 if slots.numel() == 1 else 0
        right(self, layer, key, value, cache, slots + 1 if steps[id(self)] > 1 else slots)

    patch.setattr(Attention, "do_kv_cache_update", update)


def third_token(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(model_runner.sampler, "greedy_sample", lambda logits: logits.topk(3).indices[:, 2])


def log_probabilities(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(model_runner.sampler, "logprobs_mode", "raw_logprobs")


@contextmanager
def planted(p: Params, plant: Plant | None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if plant is not None:
            plant(runner(p), patch)
        yield


def judged(p: Params, tmp_path: Path, plant: AbstractContextManager[None]) -> tuple[dict[str, Any], dict[str, str]]:
    """The section's prefill and decode data of the eager engine, and its gates."""
    texts = tokenised(p, AutoTokenizer.from_pretrained(ROOT / "models" / "demo"))
    ids = {text.id: text.token_ids for text in texts}
    with plant:
        asked = section.ask_engines(p, texts)
    request = section._request(p, texts, asked.answers)
    passes = Passes(every_pass(request), asked.described)
    which = store.Identity("m", "t", "p")
    reference, _ = store.load(passes.save(tmp_path / "r.safetensors", which, request), which)
    scored = {name: reference.pop(name) for name in request.positions if name not in ids}
    noise: list[Any] = []
    floor = passes.parts(NOISE_FLOOR, ids, noise)
    found = compare(reference, floor, asked.prefill, texts, str, asked.described, routed=passes.routed).data
    answered = Scored(scored, noise, asked.answers.sequences(ids))
    found["decode"], _ = compare_decoded(asked.answers, answered, texts, str, p.engine.dtype, routed=False)
    return found, {gate.id: gate.status for gate in gates(p, found)}


@pytest.mark.parametrize(
    ("plant", "finders"),
    [
        (None, set()),
        (wrong_position, {"noise_ratio", "kl_divergence"}),
        (shifted_slot, {"noise_ratio", "kl_divergence"}),
        (third_token, {"chosen_is_argmax", "unexplained_flips"}),
    ],
    ids=["sound", "wrong position", "shifted slot", "third token"],
)
def test_a_fault_of_decode_is_found_there_and_not_in_prefill(
    demo: Params, tmp_path: Path, plant: Plant | None, finders: set[str]
) -> None:
    _, status = judged(demo, tmp_path, planted(demo, plant))
    prefill = {name: one for name, one in status.items() if not name.startswith("decode.")}
    assert "fail" not in prefill.values()
    failed = {name.rsplit(".", 1)[1] for name, one in status.items() if one == "fail"}
    assert failed >= finders
    assert bool(failed) is (plant is not None)


def test_an_engine_that_gives_log_probabilities_is_named_and_not_failed(demo: Params, tmp_path: Path) -> None:
    found, status = judged(demo, tmp_path, planted(demo, log_probabilities))
    run = found["candidates"]["vllm_eager"]
    assert run["scale"] == "log_probabilities"
    assert run["cosine_similarity"] is None
    assert "log-probabilities" in run["cosine_similarity_why"]
    assert run["centred_noise_ratio"] < 2
    assert status["vllm_eager.cosine_similarity"] == "off"
    assert status["vllm_eager.noise_ratio"] == "pass"
    assert "fail" not in status.values()
