"""The engine package on the real vLLM: answers, logits and timings against transformers; errors in one line."""

from __future__ import annotations

import json

import numpy as np
import psutil
import pytest
from evalpress import engine, params
from evalpress.core.errors import MeasurementError
from evalpress.core.paths import resolve
from evalpress.engine import Sampling
from evalpress.engine.core import Engine

TEXT = "The chemical symbol for water is"


@pytest.fixture(scope="module")
def demo():
    return params.load("demo")


@pytest.fixture(scope="module")
def loaded(demo):
    yield engine.get(demo, "eager")
    engine.release()


@pytest.fixture(scope="module")
def reference(demo):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve(demo.model.path)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


@pytest.mark.engine
@pytest.mark.slow
def test_greedy_answers_are_those_of_transformers(loaded, reference):
    import torch

    net, tokenizer = reference
    ids = tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        wanted = net.generate(**ids, max_new_tokens=4, do_sample=False)[0, ids["input_ids"].shape[1] :].tolist()
    (answer,) = loaded.generate([TEXT], Sampling(max_tokens=4))
    assert list(answer.prompt_token_ids) == ids["input_ids"][0].tolist()
    stop = len(answer.token_ids)
    assert list(answer.token_ids) == wanted[:stop]


@pytest.mark.engine
@pytest.mark.slow
def test_logits_are_raw_whole_and_close_to_transformers(loaded, reference):
    import torch

    net, _ = reference
    ids = loaded.tokenize(TEXT)
    found = loaded.logits(ids, [2, len(ids) - 1])
    with torch.no_grad():
        wanted = net(torch.tensor([ids])).logits[0, [2, len(ids) - 1]].numpy()
    assert found.shape == wanted.shape
    assert np.isfinite(found).all()
    cosine = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert (cosine > 0.999).all()
    assert (found.argmax(1) == wanted.argmax(1)).all()


@pytest.mark.engine
@pytest.mark.slow
def test_a_fresh_engine_is_loaded_and_freed_without_changing_the_kept_one(demo, loaded):
    ids = loaded.tokenize(TEXT)
    before = loaded.generate([ids], Sampling(max_tokens=4))[0].token_ids
    held = psutil.Process().memory_info().rss
    with engine.fresh(demo, "eager", enable_prefix_caching=True) as fresh:
        assert fresh is not loaded
        assert fresh.generate([ids], Sampling(max_tokens=4))[0].token_ids == before
        long = ids * (1 + 2 * fresh.block_size // len(ids))
        cached = [fresh.generate([long], Sampling(max_tokens=1))[0].cached_tokens for _ in range(2)]
        assert cached[0] == 0
        assert cached[1] >= fresh.block_size
    assert fresh.llm is None
    assert psutil.Process().memory_info().rss < held + 2**27  # its KV cache alone took 2**28
    assert engine.get(demo, "eager") is loaded
    assert loaded.generate([ids], Sampling(max_tokens=4))[0].token_ids == before


@pytest.mark.engine
@pytest.mark.slow
def test_engines_of_one_process_share_no_layer(demo, loaded):
    with engine.fresh(demo, "eager", max_num_seqs=8) as other:
        assert not _rotary_embeddings(loaded) & _rotary_embeddings(other)


def _rotary_embeddings(loaded):
    def found(net):
        return [id(module) for name, module in net.named_modules() if name.endswith("rotary_emb")]

    (ids,) = loaded.llm.apply_model(found)
    assert ids
    return set(ids)


@pytest.mark.engine
@pytest.mark.slow
def test_timings_and_start_up_add_up(demo, loaded):
    answers = loaded.generate([TEXT, "中国的首都是"], Sampling(max_tokens=6, ignore_eos=True))
    for answer in answers:
        t = answer.timing
        assert 0 < t.ttft < t.e2el
        assert t.scheduled_ts <= t.first_token_ts < t.last_token_ts
        assert t.tokens == len(answer.token_ids) == 6
    assert len(loaded.inter_token_latencies) == 10
    phases = [v for k, v in loaded.startup if k.endswith("_s") and k != "total_s" and v is not None]
    assert sum(phases) == pytest.approx(loaded.startup.total_s)
    assert loaded.memory["model_weights_gib"] * 2**30 == pytest.approx(2 * 1_050_752, rel=0.01)
    assert loaded.memory["kv_cache_tokens"] * 1024 == demo.engine.kv_cache_gib * 2**30
    assert loaded.memory["kv_cache_gib"] == demo.engine.kv_cache_gib


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"engine": {"kv_cache_gib": 100000.0}}, "memory"),
        ({"engine": {"max_model_len": 65536}}, "65536"),
    ],
)
def test_what_vllm_refuses_is_one_line(demo, change, told):
    changed = demo.model_copy(update={"engine": demo.engine.model_copy(update=change["engine"])})
    engine.release()
    with pytest.raises(MeasurementError, match=told) as caught:
        engine.get(changed, "eager")
    assert "\n" not in str(caught.value)


@pytest.mark.engine
@pytest.mark.slow
def test_an_architecture_that_vllm_lacks_is_one_line(demo, tmp_path):
    config = json.loads((resolve(demo.model.path) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["NoSuchForCausalLM"]}))
    unknown = demo.model.model_copy(update={"path": str(tmp_path), "weights": "random"})
    with pytest.raises(MeasurementError, match="NoSuchForCausalLM") as caught:
        engine.get(demo.model_copy(update={"model": unknown}), "eager")
    assert "\n" not in str(caught.value)


@pytest.mark.engine
@pytest.mark.slow
def test_a_prompt_longer_than_the_context_is_named():
    small = Engine(None, "eager", 8, {}, {}, {}, {})
    with pytest.raises(MeasurementError, match="prompt 2 has 9 tokens: engine.max_model_len allows 8"):
        small.generate([[1, 2], [1] * 9], Sampling(max_tokens=1))
