"""What deployments switch on, from observations that are known: slope, hits, acceptance, outputs, logits."""

from __future__ import annotations

import random
from types import SimpleNamespace

import feature_samples
import numpy as np
import pytest
import samples
import samples_facts
from evalpress import params
from evalpress.core import stats
from evalpress.core.errors import MeasurementError, UserError
from evalpress.engine.counters import Counters
from evalpress.params.features import DepthParams, KvCacheParams, PrefixCacheParams, SpeculationParams
from evalpress.sections.benchmark import gates
from evalpress.sections.benchmark.features import depth, figures, kv_cache, measure, paired, prefix_hits, speculation
from evalpress.sections.benchmark.features import tables as shown
from evalpress.sections.benchmark.features.observations import Drafted, PrefixRequest, PrefixRequests, Run
from evalpress.sections.benchmark.features.results import OFF
from evalpress.sections.benchmark.results import PeakRates
from hypothesis import given
from hypothesis import strategies as st

PEAKS = PeakRates(memory_bandwidth_gb_s=2.0, matmul_tflop_s=0.5, copy_bytes=1, matrix_size=1, threads=1, raw={})
FACTS = samples_facts.dense(
    parameters=1_000, embedding=100, dtype="bfloat16", kv_values=8, width=16
)  # 16 bytes a token


def test_a_known_slope_is_found_beside_what_reading_the_cache_takes():
    wanted = DepthParams(points=5, repeats=6)
    found = depth.report(wanted, feature_samples.depth_runs(slope=40e-9, base=1e-3, noise=2e-6), FACTS, PEAKS, 1)
    assert found.slope_s_low < 40e-9 < found.slope_s_high
    assert found.slope_s == pytest.approx(40e-9, rel=0.1)
    assert found.kv_bytes_per_cached_token == 16 and found.bound_s == pytest.approx(16 / 2e9)
    assert found.ratio == pytest.approx(found.slope_s / 8e-9)
    assert [point.cached_tokens for point in found.points] == [0, 512, 1024, 1536, 1920]
    assert all(point.decode_s_per_token_low < point.decode_s_per_token_high for point in found.points)


def test_slow_moments_of_the_machine_hardly_move_the_slope():
    calm = feature_samples.depth_runs(slope=40e-9, base=1e-3, noise=2e-6)
    runs = [
        one.model_copy(update={"decode_s_per_token": 5e-3}) if n % 7 == 3 else one for n, one in enumerate(calm.runs)
    ]
    loud = depth.report(DepthParams(), calm.model_copy(update={"runs": tuple(runs)}), FACTS, PEAKS, 1)
    assert loud.slope_s == pytest.approx(40e-9, rel=0.25)


def test_a_slope_that_may_be_none_has_no_ratio():
    loud = depth.report(DepthParams(), feature_samples.depth_runs(slope=1e-9, noise=5e-4), FACTS, PEAKS, 1)
    assert loud.slope_s_low < 0 < loud.slope_s_high
    assert loud.ratio is None and loud.ratio_why == depth._FLAT


def test_without_peak_rates_the_slope_has_no_bound_but_a_reason():
    found = depth.report(DepthParams(), feature_samples.depth_runs(), FACTS, None, 1)
    assert (found.bound_s, found.ratio, found.ratio_why) == (None, None, "benchmark.ceilings is off")
    few = feature_samples.depth_runs()
    few = few.model_copy(update={"runs": tuple(one for one in few.runs if one.repeat < 5)})
    assert depth.report(DepthParams(), few, FACTS, PEAKS, 1).points[0].decode_s_per_token_low_why.startswith("six runs")


@given(
    st.integers(2, 9), st.integers(1, 300), st.integers(300, 5000), st.sampled_from([16, 128]), st.integers(1, 10**6)
)
def test_lengths_are_whole_blocks_that_fit(points, chunk, model_len, block, capacity):
    wanted = DepthParams(points=points, chunk_len=chunk)
    try:
        found = depth.contexts(wanted, model_len, capacity, block)
    except MeasurementError as error:
        assert "not one block" in str(error)
        return
    added = max(chunk, wanted.output_len) + 1
    assert found[0] == 0 and all(length % block == 0 for length in found) and len(found) <= points
    assert found[-1] + added <= model_len and found[-1] + points * added <= capacity
    assert found == sorted(set(found))


def test_a_context_that_is_not_in_the_cache_stops_the_part_with_what_was_found():
    completion = SimpleNamespace(cached_tokens=0)
    loaded = SimpleNamespace(
        block_size=128, max_model_len=2048, kv_cache_tokens=10**6, generate=lambda prompts, sampling: [completion]
    )
    with pytest.raises(MeasurementError, match="vLLM read 0 of 1792 tokens from its prefix cache"):
        depth.run(loaded, DepthParams(), lambda tokens, number: [1] * tokens)


def longest_common(a: list[int], b: list[int]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=24), min_size=1, max_size=8), st.integers(1, 5))
def test_expected_hits_are_those_of_an_independent_count(prompts, block):
    """Counted again from the longest beginning that a prompt has in common with any earlier one."""
    for n, prompt in enumerate(prompts):
        common = max((longest_common(prompt, earlier) for earlier in prompts[:n]), default=0)
        by_hand = min(common // block, (len(prompt) - 1) // block) * block
        assert prefix_hits.expected_hits(prompts[: n + 1], block)[n] == by_hand


def test_the_last_token_of_a_prompt_is_always_computed():
    prompt = list(range(256))
    assert prefix_hits.expected_hits([prompt, prompt], 128) == [0, 128]
    assert prefix_hits.expected_hits([prompt, [*prompt, 7]], 128) == [0, 256]
    assert prefix_hits.expected_hits([prompt[:127], prompt[:127]], 128) == [0, 0]


def test_requests_of_a_group_begin_with_the_same_tokens_only():
    rng = random.Random(1)
    wanted = PrefixCacheParams(shared_lens=(5, 9), own_len=3, requests=3)
    asked = prefix_hits.prompts(wanted, lambda tokens, number: [rng.randrange(10**9) for _ in range(tokens)])
    assert [group for group, _ in asked] == [0, 0, 0, 1, 1, 1] and [len(ids) for _, ids in asked] == [8] * 3 + [12] * 3
    assert len({tuple(ids[:5]) for group, ids in asked if group == 0}) == 1 and len({tuple(i) for _, i in asked}) == 6


def test_a_hit_too_few_and_a_counter_that_disagrees_are_a_warning():
    def of(cached: int, counted: int) -> str:
        wanted = PrefixCacheParams(shared_lens=(256,), requests=2)
        requests = [
            PrefixRequest(group=0, prompt_tokens=296, expected_hits=hits, cached_tokens=hits and cached, ttft=0.01)
            for hits in (0, 256)
        ]
        raw = PrefixRequests(block_size=128, requests=tuple(requests), counted_queries=592, counted_hits=counted)
        found = feature_samples.features(prefix_cache=prefix_hits.report(wanted, raw))
        return {one.id: one.status for one in gates._features(found)}["prefix_cache_hits"]

    assert (of(256, 256), of(128, 256), of(256, 128)) == ("pass", "warn", "warn")


def test_acceptance_is_computed_as_vllm_documents_it():
    drafted = Drafted(drafts=20, draft_tokens=80, accepted_tokens=50, accepted_per_position=(18, 14, 10, 8))
    found = speculation.figures(feature_samples.paired_runs(drafted=drafted))
    assert (found.acceptance_rate, found.mean_acceptance_length) == (50 / 80, 1 + 50 / 20)
    assert found.accepted_per_position == (0.9, 0.7, 0.5, 0.4)
    nothing = Drafted(drafts=0, draft_tokens=0, accepted_tokens=0, accepted_per_position=())
    none = speculation.figures(feature_samples.paired_runs(drafted=nothing))
    assert none.acceptance_rate is None and none.acceptance_rate_why.startswith("no n-gram occurred twice")


def test_the_engines_counters_are_sums_over_steps_and_can_be_taken_apart():
    counters = Counters()

    def step(drafted, accepted, positions):
        return SimpleNamespace(
            prefix_cache_stats=SimpleNamespace(queries=10, hits=4),
            spec_decoding_stats=SimpleNamespace(
                num_drafts=1, num_draft_tokens=drafted, num_accepted_tokens=accepted,
                num_accepted_tokens_per_pos=positions,
            ),
        )  # fmt: skip

    counters.add(step(4, 1, [1, 0, 0, 0]))
    before = counters.since(Counters())
    counters.add(step(3, 3, [1, 1, 1, 0]))
    counters.add(SimpleNamespace(prefix_cache_stats=None, spec_decoding_stats=None))
    assert counters.since(before) == Counters(10, 4, 1, 3, 3, (1, 1, 1, 0))
    assert before.plus(counters.since(before)) == counters == Counters(20, 8, 2, 7, 4, (2, 1, 1, 0))


def test_a_difference_is_explained_only_where_the_plain_engine_sees_a_tie():
    def judged(logits):
        asked = []

        def read(text, positions):
            asked.append((text, positions))
            return np.array([logits], np.float32)

        loaded = SimpleNamespace(logits=read)
        runs = [Run(duration=1.0, outputs=((1, 2, 0), (5, 5, 5)))], [Run(duration=1.0, outputs=((1, 2, 1), (5, 5, 5)))]
        found = paired.outputs(lambda: loaded, [[7, 8], [9]], *runs, "bfloat16")
        assert asked == [([7, 8, 1, 2], [3])] and (found.identical, found.of) == (1, 2)
        (one,) = found.differences
        assert (one.request, one.position, one.token, one.other_token) == (0, 2, 0, 1)
        return one

    tie, far = judged([4.0, 3.9375, 1.0]), judged([4.0, 3.5, 1.0])  # neighbours at 4 are 1/32 apart
    assert (tie.verdict, tie.shortfall, tie.spacing) == ("within_rounding", 0.0625, 2**-5)
    assert (far.verdict, far.shortfall) == ("unexplained", 0.5)
    assert judged([3.5, 3.5, 4.0]).verdict == "unexplained"  # equal, but neither is what this engine would choose


def test_unexplained_differences_are_a_warning():
    found = feature_samples.document().data.features
    assert {one.id: one.status for one in gates._features(found)}["speculation_outputs"] == "pass"
    load = found.speculation.loads["ordinary"]
    bad = load.outputs.differences[0].model_copy(update={"verdict": "unexplained"})
    load = load.model_copy(update={"outputs": load.outputs.model_copy(update={"differences": (bad,)})})
    found = found.model_copy(update={"speculation": found.speculation.model_copy(update={"loads": {"ordinary": load}})})
    assert {one.id: one.status for one in gates._features(found)}["speculation_outputs"] == "warn"


def test_speed_is_the_paired_ratio():
    found = paired.speed(feature_samples.paired_runs(plain=(2.0, 4.0, 1.0), other=(1.0, 2.0, 0.5)))
    assert (found.ratio, found.n_pairs) == (pytest.approx(2.0), 3)
    assert found.feature_tok_s == pytest.approx(2 * found.plain_tok_s) and found.ci_low == pytest.approx(2.0)
    assert paired.speed(feature_samples.paired_runs(plain=(1.0,), other=(1.0,))).ci_low_why.startswith("not enough")


def test_logits_are_compared_row_by_row():
    plain, other = np.array([[1, 2, 3], [9, 0, 0]], np.float32), np.array([[1, 2, 0], [9, 0, 4]], np.float32)
    rows = list(kv_cache.gaps(plain, other))
    assert [(row.token, row.other_token, row.max_abs_err) for row in rows] == [(2, 1, 3.0), (0, 0, 4.0)]
    assert rows[0].rmse == pytest.approx(3**0.5)
    found = kv_cache.report(feature_samples.kv_runs(rows))
    assert (found.top1_agreement, found.max_abs_err, found.rmse) == (0.5, 4.0, pytest.approx((25 / 6) ** 0.5))
    assert (found.plain_bytes_per_token, found.bytes_per_token, found.tokens) == (1024.0, 512.0, 2000)


def test_a_part_that_the_engine_refuses_is_a_reason_and_stops_no_other(monkeypatch):
    demo = params.load("demo-features")

    def refuse(*_, **__):
        raise MeasurementError("FP8 KV cache on CPU requires x86 with AVX-512 or AMX.")

    monkeypatch.setattr(measure.engine, "get", lambda *_: SimpleNamespace())
    monkeypatch.setattr(measure, "vocabulary", lambda _: (100, frozenset()))
    monkeypatch.setattr(measure.engine, "fresh", refuse)
    monkeypatch.setattr(measure.speculation, "run", lambda *_: feature_samples.speculation_runs())
    monkeypatch.setattr(measure.kv_cache, "run", refuse)
    found = measure.report(demo, FACTS, measure.run(demo), PEAKS)
    assert found.depth is None and found.depth_why == found.prefix_cache_why == found.kv_cache["fp8"].figures_why
    assert "AVX-512" in found.depth_why and found.speculation.loads["repeating"].acceptance_rate is not None


def test_a_set_that_asks_for_nothing_measures_nothing():
    assert measure.run(params.load("demo")) is None
    plain = samples.benchmark()
    assert (plain.data.features, plain.data.features_why) == (None, OFF)
    tables = (shown.depth, shown.depth_slope, shown.prefix_cache, shown.speculation, shown.kv_cache, figures.depth)
    assert [one(plain) for one in tables] == [None] * 6
    assert OFF in shown.summary(plain).source


def test_every_part_has_a_table_and_depth_a_figure():
    document = feature_samples.document()
    pages = {one.__name__: one(document).markdown() for one in (shown.depth, shown.depth_slope, shown.prefix_cache)}
    assert "40" in pages["depth_slope"] and "ratio" in pages["depth_slope"]
    assert "1,920" in pages["depth"] and "256" in pages["prefix_cache"]
    page = shown.speculation(document).markdown()
    assert "repeating" in page and "| 2.5 |" in page and "+100.0 %" in page
    page = shown.kv_cache(document).markdown()
    assert "fp8" in page and "requires x86 with AVX-512" in page and "bfloat16" in page
    drawn = figures.depth(document)
    assert "1.00 ms at 0" in drawn.alt or "1 ms at 0" in drawn.alt
    assert figures.depth(document).svg == drawn.svg


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("depth", {"points": 1}, "benchmark.features.depth.points: found 1"),
        ("depth", {"chunk_len": 4096}, "benchmark.features.depth: max(chunk_len, output_len) + 1 = 4097"),
        ("prefix_cache", {"shared_lens": [2048]}, "benchmark.features.prefix_cache: max(shared_lens)"),
        ("speculation", {"prompt_lookup_min": 5}, "prompt_lookup_min: found 5, allowed up to prompt_lookup_max"),
        ("speculation", {"prompts": ["params/none.yaml"]}, "benchmark.features.speculation.prompts.0: file"),
        ("kv_cache", {"input_len": 2040}, "benchmark.features.kv_cache: input_len + output_len = 2072"),
        ("mode", "fast", "benchmark.features.mode: found 'fast' (text), allowed eager, compiled"),
    ],
)
def test_a_mistake_in_the_set_is_one_line(key, value, told):
    with pytest.raises(UserError) as error:
        params.load("demo-features", {f"benchmark.features.{key}": value})
    assert told in str(error.value) and "\n" not in str(error.value)


def test_speculation_without_a_prompt_file_takes_random_tokens_twice():
    drawn = iter(range(10**6))
    loaded = SimpleNamespace(arguments={})
    wanted = SpeculationParams(requests=2, repeated_len=60)
    found = speculation.loads(wanted, loaded, lambda tokens, number: [next(drawn) for _ in range(tokens)])
    for base, twice in zip(found["ordinary"].prompts, found["repeating"].prompts, strict=True):
        assert len(base) == 24 and len(twice) == 60 and twice[:24] == twice[24:48] == base


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_the_medians_interval_has_the_coverage_of_its_order_statistics(values):
    from scipy.stats import binom

    found, n = stats.median_interval(values), len(values)
    if n < 6:
        assert found is None
        return
    rank = max(r for r in range(1, n) if 2 * binom.cdf(r - 1, n, 0.5) <= 0.05 and r <= n - r + 1)
    assert found == (sorted(values)[rank - 1], sorted(values)[n - rank])


def test_the_parts_of_the_set_have_their_defaults():
    found = params.load("demo-features").benchmark.features
    assert found.kv_cache == KvCacheParams(dtypes=("fp8", "bfloat16")) and found.wanted
    assert not params.load("demo").benchmark.features.wanted
