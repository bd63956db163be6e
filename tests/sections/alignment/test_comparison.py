"""Comparison runs: pooled per text and overall, on common positions, with flips in words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from evalpress.core import results
from evalpress.core.errors import MeasurementError
from evalpress.core.paths import ROOT
from evalpress.model import forward
from evalpress.model.facts import read
from evalpress.model.forward import TextLogits
from evalpress.sections.alignment import comparison, cost, metrics, profiles, section
from evalpress.sections.alignment.baseline import Text
from evalpress.sections.alignment.results import LastToken, Positions, Run, Source

pytestmark = pytest.mark.slow

VOCABULARY = 60
TEXTS = [
    Text("capital", "The capital", "prompt", "en", (1, 2, 3)),
    Text("story", "Once upon a time", "text", "en", tuple(range(10, 40))),
]
DESCRIBED = {
    "noise_floor": Source(engine="transformers", dtype="bfloat16"),
    "device": Source(engine="transformers", dtype="bfloat16", device="npu"),
}


def logits(seed: int = 0, scale: float = 3.0) -> dict[str, TextLogits]:
    rng = np.random.default_rng(seed)
    return {
        text.id: TextLogits(
            np.arange(len(text.token_ids)),
            rng.normal(0, scale, (len(text.token_ids), VOCABULARY)).astype(np.float32),
        )
        for text in TEXTS
    }


def shifted(base: dict[str, TextLogits], seed: int, scale: float) -> dict[str, TextLogits]:
    noise = logits(seed, scale)
    return {name: TextLogits(part.positions, part.values + noise[name].values) for name, part in base.items()}


def outcome(candidate: dict[str, TextLogits], base: dict[str, TextLogits] | None = None) -> comparison.Outcome:
    base = base or logits()
    floor = shifted(base, 1, 0.05)
    candidates = {"device": candidate.items()}
    return comparison.compare(base, floor.items(), candidates, TEXTS, lambda token: f"<{token}>", DESCRIBED)


def device(candidate: dict[str, TextLogits], base: dict[str, TextLogits] | None = None) -> Run:
    return outcome(candidate, base).candidates["device"]


def from_columns(columns: dict[str, list[Any]]) -> metrics.Rows:
    """The records that `metrics.to_columns` wrote."""
    rows = np.zeros(len(columns["position"]), metrics.ROW)
    for key in metrics.ROW.names or ():
        rows[key] = np.array([np.nan if value is None else value for value in columns[key]])
    return rows


def at(part: TextLogits, positions: list[int]) -> TextLogits:
    return TextLogits(part.positions[positions], part.values[positions])


def test_contract_keys_and_pooling() -> None:
    base = logits()
    candidate = shifted(base, 2, 0.1)
    found = outcome(candidate)
    run = found.candidates["device"]
    r, c = (np.concatenate([side[t.id].values for t in TEXTS]).astype(np.float64) for side in (base, candidate))
    assert run.mse == pytest.approx(((c - r) ** 2).mean())
    assert run.top1_agreement == np.mean(r.argmax(1) == c.argmax(1))
    assert run.noise_ratio == pytest.approx(2, rel=0.1)
    assert run.device == "npu"
    assert run.positions == Positions(compared=33, of_reference=33, sampled=False)
    assert set(run.model_dump()["flips"]) == {"total", "within_noise", "unexplained", "list"}
    assert [prompt.id for prompt in run.prompts] == ["capital", "story"]
    story = run.prompts[1]
    assert story.mse == pytest.approx(((candidate["story"].values - base["story"].values) ** 2).mean(), rel=1e-6)
    assert [row.id for row in story.top5_reference] == np.argsort(-base["story"].values[-1])[:5].tolist()
    assert [row.id for row in story.top5_candidate] == np.argsort(-candidate["story"].values[-1])[:5].tolist()
    assert story.top5_candidate[0].logit == candidate["story"].values[-1].max()
    assert run.last_positions.n_positions == 1  # only the prompt's; a text's last position is not used
    assert run.last_positions.cosine_similarity == run.prompts[0].last_position.cosine_similarity
    assert found.noise_floor.noise_ratio == 1
    results.check_values(run.model_dump(mode="json"), "alignment")


def test_targets_are_the_next_tokens() -> None:
    base = logits()
    run = device(shifted(base, 2, 0.1))
    nll = []
    for text in TEXTS:
        wide = base[text.id].values.astype(np.float64)
        logs = wide - np.log(np.exp(wide).sum(1, keepdims=True))
        nll += [-logs[p, text.token_ids[p + 1]] for p in range(len(text.token_ids) - 1)]
    assert run.perplexity_reference == pytest.approx(np.exp(np.mean(nll)))
    assert run.perplexity_positions == len(nll)


def test_a_sample_is_compared_where_both_have_logits() -> None:
    base = logits()
    whole = shifted(base, 2, 0.1)
    run = device({"story": at(whole["story"], [3, 29])})
    assert run.positions == Positions(compared=2, of_reference=33, sampled=True)
    assert [prompt.id for prompt in run.prompts] == ["story"]
    assert run.last_positions is None
    assert "no prompt" in str(run.last_positions_why)
    noise = shifted(base, 1, 0.05)["story"].values[[3, 29]] - base["story"].values[[3, 29]]
    assert run.noise_ratio == pytest.approx(run.rmse / np.sqrt((noise.astype(np.float64) ** 2).mean()), rel=1e-6)


def test_parts_of_a_text_in_any_order() -> None:
    whole = shifted(logits(), 2, 0.1)
    parts = [
        ("story", at(whole["story"], [7, 8, 9])),
        ("capital", whole["capital"]),
        ("story", at(whole["story"], [0, 1])),
    ]
    base, floor = logits(), shifted(logits(), 1, 0.05)
    found = comparison.compare(base, floor.items(), {"device": parts}, TEXTS, str, DESCRIBED)
    assert found.raw["device"]["story"]["position"] == [0, 1, 7, 8, 9]


def test_every_figure_can_be_recomputed_from_raw() -> None:
    found = outcome(shifted(logits(), 2, 0.5))
    raw = json.loads(json.dumps(found.raw, allow_nan=False))
    for run, data in [("noise_floor", found.noise_floor), ("device", found.candidates["device"])]:
        rows = {text: from_columns(columns) for text, columns in raw[run].items()}
        again = metrics.pooled(np.concatenate([rows[text.id] for text in TEXTS]))
        assert dict(data) | dict(again) == dict(data)
        for prompt in data.prompts:
            again = metrics.pooled(rows[prompt.id])
            assert dict(prompt) | dict(again) == dict(prompt)


def test_flips_are_counted_judged_and_told() -> None:
    base = logits()
    candidate = shifted(base, 2, 0.0)
    values = base["story"].values
    for position, drop in ((4, 0.0), (9, 5.0)):
        best, second = np.argsort(-values[position])[:2]
        values[position, best] = values[position, second] + 0.001 + drop
        candidate["story"].values[position] = values[position]
        candidate["story"].values[position, [best, second]] = values[position, [second, best]]
    run = device(candidate, base)
    assert (run.flips.total, run.flips.within_noise, run.flips.unexplained) == (2, 1, 1)
    near, far = run.flips.list
    assert near.gap == pytest.approx(0.001, abs=1e-5)
    assert (near.position, near.verdict, far.position, far.verdict) == (4, "within_noise", 9, "unexplained")
    assert far.margin == pytest.approx(5.001, abs=1e-5)
    for flip in (near, far):
        for part in (flip.reference.text, flip.candidate.text, f"{flip.margin:.3g}", "story"):
            assert part in flip.sentence
    assert near.sentence.endswith("within the noise.")
    assert far.sentence.endswith("unexplained.")


def test_last_tokens_of_every_run() -> None:
    base = logits()
    candidate = shifted(base, 2, 5.0)
    found = outcome(candidate).last_tokens
    assert set(found) == {"reference", "noise_floor", "device"}
    best = int(base["capital"].values[-1].argmax())
    assert found["reference"] == [LastToken(prompt_id="capital", token=best, text=f"<{best}>")]
    assert found["device"][0].token == int(candidate["capital"].values[-1].argmax())


def test_bad_logits_are_named_with_run_text_and_position() -> None:
    candidate = shifted(logits(), 2, 0.1)
    candidate["story"].values[5, 17] = np.nan
    with pytest.raises(MeasurementError, match="device: story: position 5, token 17: found logit nan"):
        outcome(candidate)


def test_a_bfloat16_reference_is_found_out() -> None:
    base = logits()
    for part in base.values():
        part.values.view(np.uint32)[:] &= 0xFFFF0000
    with pytest.raises(MeasurementError, match="did not run in float32"):
        outcome(shifted(base, 2, 0.1), base)


def test_runs_that_cannot_be_compared_are_refused() -> None:
    candidate = shifted(logits(), 2, 0.1)
    with pytest.raises(MeasurementError, match="found no position that the reference has"):
        outcome({})
    story = candidate["story"]
    with pytest.raises(MeasurementError, match="found 59 logits per position, the reference has 60"):
        outcome({"story": TextLogits(story.positions, story.values[:, 1:])})
    base, floor = logits(), {"story": at(story, [0])}
    with pytest.raises(MeasurementError, match="fewer positions than a candidate"):
        comparison.compare(base, floor.items(), {"device": candidate.items()}, TEXTS, str, DESCRIBED)


def test_profiles_sort_every_position_into_one_bin() -> None:
    base = logits()
    run = device(shifted(base, 2, 0.5))
    assert sum(row.n for row in run.by_position) == 33
    assert [(row.from_, row.to) for row in run.by_position] == [
        (0, 0),
        (1, 1),
        (2, 3),
        (4, 7),
        (8, 15),
        (16, 31),
    ]
    assert sum(row.n for row in run.by_margin) == 33
    assert sum(row.same for row in run.by_margin) == round(run.top1_agreement * 33)
    assert all(row.ci_low <= row.share <= row.ci_high for row in run.by_margin)


def test_profile_by_position_is_numpys() -> None:
    rows = np.zeros(6, metrics.ROW)
    rows["position"], rows["kl_divergence"] = [0, 1, 4, 5, 6, 7], [1, 2, 3, 4, 5, 9]
    rows["mse"] = [1, 4, 2, 2, 2, 2]
    noise = rows.copy()
    noise["mse"] = [1, 1, 8, 8, 8, 8]
    found = profiles.by_position(rows, noise)
    assert [row.noise_ratio for row in found] == [1, 2, 0.5]
    assert [(row.from_, row.n) for row in found] == [(0, 1), (1, 1), (4, 4)]
    assert found[2].kl_divergence_median == 4.5
    assert found[2].kl_divergence_p90 == pytest.approx(np.percentile([3, 4, 5, 9], 90))


@pytest.mark.parametrize(("length", "count"), [(1, 16), (5, 16), (16, 16), (17, 16), (1000, 16), (9, 1)])
def test_a_sample_has_the_last_position(length: int, count: int) -> None:
    found = section.sample(length, count)
    assert found[-1] == length - 1
    assert len(found) == min(length, count)
    assert found == sorted(set(found))
    if count > 1:
        assert found[0] == 0


def test_operations_of_a_text_are_those_of_its_matrices() -> None:
    folder = ROOT / "models" / "demo"
    with forward.loaded(folder, "float32") as run:
        linear = [m.weight.numel() for m in run.model.modules() if isinstance(m, torch.nn.Linear)]
        width = run.model.config.num_attention_heads * run.model.model.layers[0].self_attn.head_dim
        count = len(run.model.model.layers)
    found = cost.flops(read(folder, "float32"), 10)
    matrices = 2 * 10 * sum(linear)
    attention = 4 * count * width * 55  # each of 10 queries with itself and all before it
    assert found == pytest.approx(matrices + attention, rel=0.01)  # norms and biases are counted as multiplications
