"""What deployments switch on, with real engines of the demo model: eager only, a few tokens each."""

from __future__ import annotations

import pytest
import samples_facts
from evalpress import engine, params
from evalpress.params.schema import Params
from evalpress.sections.benchmark import gates
from evalpress.sections.benchmark.features import measure, speculation

pytestmark = [pytest.mark.slow, pytest.mark.engine]

FACTS = samples_facts.dense(parameters=1_000, embedding=100, dtype="bfloat16", kv_values=8, width=16)
FEW = {
    "depth": {"points": 3, "output_len": 8, "repeats": 2},
    "prefix_cache": {"shared_lens": [100, 256, 300], "requests": 2},
    "speculation": {"requests": 2, "output_len": 16, "repeats": 2},
    "kv_cache": {"requests": 2, "input_len": 40, "output_len": 8, "repeats": 2, "positions": 2},
}


@pytest.fixture(scope="module")
def few() -> Params:
    return params.load("demo-features", {f"benchmark.features.{part}": values for part, values in FEW.items()})


def test_every_part_of_the_set_is_measured_or_has_the_engines_reason(few):
    observed = measure.run(few)
    assert observed is not None
    found = measure.report(few, FACTS, observed, None)
    assert found.depth is not None, found.depth_why
    assert [point.cached_tokens for point in found.depth.points] == [0, 896, 1792]
    assert all(point.prefill_tok_s > 0 and point.decode_tok_s > 0 for point in found.depth.points)
    assert found.prefix_cache is not None and found.prefix_cache.exact, found.prefix_cache
    assert [group.hits for group in found.prefix_cache.groups] == [0, 256, 256]
    assert found.speculation is not None, found.speculation_why
    repeating = found.speculation.loads["repeating"]
    assert repeating.acceptance_rate is not None and 0 < repeating.accepted_tokens <= repeating.draft_tokens
    assert all(load.outputs.unexplained == 0 and load.outputs.of == 4 for load in found.speculation.loads.values())
    own, fp8 = found.kv_cache["bfloat16"].figures, found.kv_cache["fp8"]
    assert own is not None and (own.rmse, own.top1_agreement, own.bytes_per_token) == (0, 1, own.plain_bytes_per_token)
    assert fp8.figures is not None or "FP8 KV cache" in str(fp8.figures_why)
    assert {one.status for one in gates._features(found)} == {"pass"}


def test_prompts_that_are_all_the_same_compute_their_last_block_again(few):
    wanted = few.benchmark.features.prefix_cache.model_copy(update={"shared_lens": (256,), "own_len": 0})
    only = few.benchmark.features.model_copy(
        update={"depth": None, "speculation": None, "kv_cache": None, "prefix_cache": wanted}
    )
    changed = few.model_copy(update={"benchmark": few.benchmark.model_copy(update={"features": only})})
    observed = measure.run(changed)
    assert observed is not None
    found = measure.report(changed, FACTS, observed, None).prefix_cache
    assert found is not None and found.exact and found.hits == 128


def test_the_counters_of_one_engine_are_those_of_vllm(few):
    """vLLM's own are of the engine that was loaded last, here the only one that speculates."""
    wanted = few.benchmark.features.speculation
    config = speculation.config(wanted)
    with engine.fresh(few, "eager", speculative_config=config, enable_prefix_caching=True) as loaded:
        asked = speculation.loads(wanted, loaded, lambda tokens, number: [])[speculation.REPEATING].prompts
        for prompt in [*asked, *asked]:
            loaded.generate([prompt], engine.Sampling(max_tokens=16, ignore_eos=True))
        told = {metric.name: metric for metric in loaded.llm.get_metrics()}
        counted = loaded.counters
    names = {
        "vllm:prefix_cache_queries": counted.prefix_queries,
        "vllm:prefix_cache_hits": counted.prefix_hits,
        "vllm:spec_decode_num_drafts": counted.drafts,
        "vllm:spec_decode_num_draft_tokens": counted.draft_tokens,
        "vllm:spec_decode_num_accepted_tokens": counted.accepted_tokens,
    }
    assert {name: told[name].value for name in names} == names
    assert counted.draft_tokens > 0 and counted.prefix_hits == 2 * 128
    assert told["vllm:spec_decode_num_accepted_tokens_per_pos"].values == list(counted.accepted_per_position)
