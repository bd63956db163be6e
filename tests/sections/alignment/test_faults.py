"""Faults planted on the demo model, each with the gate that finds it (CONTRIBUTING.md).

Tokenizers that differ and a reference in bfloat16 are refused before any logits: see test_comparison.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evalpress import params
from evalpress.core.errors import MeasurementError
from evalpress.core.paths import ROOT
from evalpress.model import forward as reference
from evalpress.model.forward import TextLogits
from evalpress.sections.alignment import batching, layer_limits, layers, section
from evalpress.sections.alignment.baseline import Text
from fault_bench import Bench, bench
from planted import LAYER_FAULTS, Fault
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

sys.path.append(str(ROOT / "benchmarks"))
from layer_limits import held_out

pytestmark = pytest.mark.slow

DEMO = ROOT / "models" / "demo"
ARRIVED = ("cosine_similarity", "kl_divergence", "noise_ratio", "unexplained_flips")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """On one thread: for models this small, threads cost more time than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def demo() -> Bench:
    p = params.load("demo")
    short = p.model_copy(update={"alignment": p.alignment.model_copy(update={"max_position": 64})})
    return bench(DEMO, section.tokenised(short, AutoTokenizer.from_pretrained(DEMO)))


@pytest.mark.parametrize("fault", LAYER_FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_its_stage_named(demo: Bench, fault: Fault) -> None:
    with reference.loaded(DEMO, "bfloat16") as run:
        fault.change(run.model)
        alarms, found = demo.alarms(demo.run(run)), demo.stage(run)
    assert found.first_beyond_noise == fault.stage
    assert alarms or fault.name == "one matrix in 8-bit floats"  # which only the layer view distinguishes from bfloat16


def test_a_fault_in_one_layer_is_named_in_that_layer_only(demo: Bench) -> None:
    fault = next(fault for fault in LAYER_FAULTS if fault.name == "one attention head zeroed")
    with reference.loaded(DEMO, "bfloat16") as run:
        fault.change(run.model)
        found = demo.stage(run)
    assert {name.rsplit(" ", 1)[0] if name[-1].isalpha() else name for name in found.beyond_noise} == {"layer 2"}
    arrived = dict(zip(demo.noise_errors.arrived, found.arrived, strict=True))
    assert arrived["layer 3"] > 4 * demo.noise_errors.arrived["layer 3"]


def test_an_mlp_alone_shows_its_own_error_and_not_that_of_its_attention(demo: Bench) -> None:
    faults = {fault.name: fault for fault in LAYER_FAULTS}
    known = layer_limits.compare(demo.noise_errors, demo.correct, {})
    limits = dict(zip(known.stages, known.limits or (), strict=True))

    def shares(name: str, layer: int) -> tuple[float, float]:
        with reference.loaded(DEMO, "bfloat16") as run:
            faults[name].change(run.model)
            made = layers.measure(run, demo.ids, demo.states).made
        first, second = (f"layer {layer} mlp{end}" for end in ("", " alone"))
        return made[first] / limits[first], made[second] / limits[second]

    with_attention, alone = shares("one attention head zeroed", 2)
    assert alone < 1 < with_attention
    with_attention, alone = shares("one matrix in 8-bit floats", 1)
    assert alone > 1.2 * with_attention > 1


def test_logits_of_the_wrong_position_are_found(demo: Bench) -> None:
    shifted = {name: TextLogits(part.positions, np.roll(part.values, 1, axis=0)) for name, part in demo.noise.items()}
    assert demo.alarms(shifted) == set(ARRIVED)


def test_another_attention_kernel_is_no_fault(demo: Bench) -> None:
    with reference.loaded(DEMO, "bfloat16", attention="eager") as run:
        assert demo.alarms(demo.run(run)) == set()
        assert demo.stage(run).first_beyond_noise is None


def test_implementations_that_set_no_limit_raise_no_alarm(demo: Bench) -> None:
    with reference.loaded(DEMO, "bfloat16") as run:
        for name, context in held_out(run, ("sdpa", "eager")).items():
            with context():
                assert demo.stage(run).first_beyond_noise is None, name


SHAPE: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
CONFIGS: dict[str, Any] = {
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "llama": LlamaConfig(**SHAPE),
    "qwen3": Qwen3Config(**SHAPE, head_dim=16),
    "gemma2": Gemma2Config(**SHAPE, head_dim=16),
    "gpt2": GPT2Config(vocab_size=256, n_embd=64, n_layer=3, n_head=4, n_positions=128),
}


def random_model(folder: Path, name: str, seed: int) -> Path:
    """A model with random weights, large enough for its logits to differ, stored in bfloat16."""
    torch.manual_seed(seed)
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(CONFIGS[name])
    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            module.weight.data.normal_(0, 0.15)
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def random_texts(seed: int) -> list[Text]:
    rng = np.random.default_rng(seed)
    return [Text(str(n), "", "text", "en", tuple(rng.integers(0, 256, n).tolist())) for n in (9, 30)]


SEEDS = [seed if seed < 3 else pytest.param(seed, marks=pytest.mark.slow) for seed in range(20)]


@pytest.mark.parametrize("seed", SEEDS)
def test_bfloat16_noise_raises_no_alarm(tmp_path: Path, seed: int) -> None:
    folder = random_model(tmp_path, ("qwen2", "llama", "qwen3")[seed % 3], seed)
    found = bench(folder, random_texts(seed))
    with reference.loaded(folder, "bfloat16", attention="eager") as run:
        assert found.alarms(found.run(run)) == set()
        assert found.stage(run).first_beyond_noise is None


@pytest.fixture(scope="module", params=list(CONFIGS))
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[reference.Pass]:
    folder = random_model(tmp_path_factory.mktemp(request.param), request.param, 1)
    with reference.loaded(folder, "float32") as run:
        yield run


def test_stages_of_any_decoder(decoder: reference.Pass) -> None:
    found = list(layers.stages(decoder.model))
    blocks = [f"layer {i}{part}" for i in range(3) for part in (" attention", " mlp", "")]
    assert found == ["embedding", *blocks, "final norm", "logits"]


def test_hidden_states_are_those_of_transformers(decoder: reference.Pass) -> None:
    def hooks() -> int:
        return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in decoder.model.modules())

    ids, before = [5, 6, 7, 8], hooks()
    states = layers.capture(decoder, {"a": ids, "b": [1, 2]})
    assert hooks() == before
    with torch.no_grad():
        expected = decoder.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    assert [part.shape for part in states.outputs["layer 1"]] == [(4, 64), (2, 64)]
    assert ("layer 1 mlp alone" in states.outputs) == (not layers.routers(layers.stages(decoder.model)))
    for index in range(2):
        np.testing.assert_allclose(states.outputs[f"layer {index}"][0], expected[index + 1][0].numpy(), atol=1e-5)
    np.testing.assert_allclose(states.outputs["final norm"][0], expected[3][0].numpy(), atol=1e-5)
    fed = layers.capture(decoder, {"a": ids, "b": [1, 2]}, states)
    assert layers.errors(states, fed) == pytest.approx(dict.fromkeys(states.outputs, 0), abs=1e-6)


def test_a_model_without_blocks_is_refused_in_one_line() -> None:
    class Odd(torch.nn.Module):
        config = CONFIGS["llama"]

    with pytest.raises(MeasurementError, match="Odd: found no list of 3 blocks"):
        layers.stages(Odd())


def test_batching_changes_rounding_only(decoder: reference.Pass) -> None:
    texts = {"a": [5, 6, 7], "b": [9, 8, 7, 6, 5, 4, 3], "c": [1]}
    found = {row.arrangement: row for row in batching.effects(decoder, texts)}
    assert len(found) == 4
    assert found["alone, again"].identical == 3
    assert all(row.max_abs_err < 1e-4 and row.flips == 0 and row.of == 3 for row in found.values())


def test_a_batch_that_sees_its_padding_is_found(decoder: reference.Pass, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = decoder.model.forward
    monkeypatch.setattr(
        decoder.model, "forward", lambda *a, attention_mask=None, position_ids=None, **k: forward(*a, **k)
    )
    texts = {"a": [5, 6, 7], "b": [9, 8, 7, 6, 5, 4, 3]}
    found = {row.arrangement: row for row in batching.effects(decoder, texts)}
    assert found["one batch, padded on the left"].max_abs_err > 0.01


MOE: dict[str, Any] = SHAPE | {"num_experts_per_tok": 2}
EXPERTS: dict[str, Any] = {
    "mixtral": MixtralConfig(**MOE, num_local_experts=8, sliding_window=None),
    "qwen3_moe": Qwen3MoeConfig(**MOE, head_dim=16, num_experts=8, moe_intermediate_size=48, norm_topk_prob=True),
}


@pytest.mark.parametrize("name", EXPERTS)
def test_an_expert_swap_is_named_and_a_correct_mixture_of_experts_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(CONFIGS, name, EXPERTS[name])
    folder = random_model(tmp_path, name, 5)
    found = bench(folder, random_texts(5))
    assert set(found.states.routes) == {f"layer {index}" for index in range(3)}
    with reference.loaded(folder, "bfloat16", attention="eager") as run:
        assert found.stage(run).first_beyond_noise is None
    with reference.loaded(folder, "bfloat16") as run:
        for weight in layers.stages(run.model)["layer 1 mlp"].experts.parameters():
            weight.data[[0, 1]] = weight.data[[1, 0]]
        assert found.stage(run).first_beyond_noise == "layer 1 mlp"


@pytest.mark.parametrize(
    ("name", "config", "names"),
    [
        ("gemma2", Gemma2Config(**SHAPE, head_dim=16, query_pre_attn_scalar=4, attn_logit_softcapping=2.0), ("eager",)),
        ("llama", CONFIGS["llama"], ("sdpa", "eager")),
    ],
)
def test_the_reference_takes_the_attention_that_computes_what_the_model_defines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, config: Any, names: tuple[str, ...]
) -> None:
    monkeypatch.setitem(CONFIGS, name, config)
    folder = random_model(tmp_path, name, 2)
    with reference.loaded(folder, "float32") as run:
        found = reference.right_attentions(run, list(range(1, 60)))
        assert found.names == names
        assert run.model.config._attn_implementation == names[0]
    assert ("attn_logit_softcapping = 2.0" in found.reason) is (name == "gemma2")
