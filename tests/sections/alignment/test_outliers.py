"""One wrong position among many: no mean changes noticeably, the positions that stand out are counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from evalpress.model.forward import TextLogits
from evalpress.params.schema import GateParams
from evalpress.sections.alignment import details, gates, outliers
from evalpress.sections.alignment.baseline import Text
from evalpress.sections.alignment.comparison import compare
from evalpress.sections.alignment.results import Source
from evalpress.sections.alignment.stopwatch import Stopwatch

POSITIONS, VOCABULARY = 1000, 256
TEXT = Text("t", "", "text", "en", tuple(i % VOCABULARY for i in range(POSITIONS)))


def _logits(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((POSITIONS, VOCABULARY)).astype(np.float32)


REFERENCE = _logits(0) * 4 + 12 * np.eye(VOCABULARY, dtype=np.float32)[np.arange(POSITIONS) % VOCABULARY]


def _judged(candidate: Any, dtype: str = "bfloat16", noise: float = 0.02, *, routed: bool = False) -> Any:
    def parts(values: Any) -> Any:
        return [("t", TextLogits(np.arange(POSITIONS), values.astype(np.float32)))]

    reference = {"t": TextLogits(np.arange(POSITIONS), REFERENCE)}
    floor = REFERENCE + noise * _logits(1)
    source = Source(engine="vllm", dtype=dtype)
    described = {"c": source, "noise_floor": source}
    runs = {"c": parts(candidate)}
    data = compare(reference, parts(floor), runs, [TEXT], str, described, dtype=dtype, routed=lambda: routed)
    run = data.candidates["c"]
    found = gates.agreement(GateParams(), "c", run, data.noise_floor)
    return run, {g.id.removeprefix("c."): g.status for g in found}


def test_noise_as_large_as_the_noise_floors_stands_out_nowhere() -> None:
    run, status = _judged(REFERENCE + 0.02 * _logits(2))
    assert run.outliers.count == 0
    assert 0.9 < run.outliers.largest_ratio < 1.5
    assert status["outlier_positions"] == "pass"


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_one_position_in_a_thousand_is_found_and_named_where_every_mean_passes(shift: float) -> None:
    candidate = REFERENCE + 0.02 * _logits(2)
    candidate[417] += 0.3 * _logits(3)[417] + shift
    run, status = _judged(candidate)
    assert [row.position for row in run.outliers.list] == [417]
    assert run.outliers.list[0].ratio == pytest.approx(15, rel=0.2)
    assert status.pop("outlier_positions") == "fail"
    assert shift or set(status.values()) == {"pass"}  # the other gates pass


def test_a_shift_of_a_whole_row_is_no_outlier() -> None:
    candidate = REFERENCE + 0.02 * _logits(2)
    candidate[417] += 0.05
    assert _judged(candidate)[0].outliers.count == 0


def test_in_float32_the_relative_distance_decides() -> None:
    near = REFERENCE * (1 + 2e-4 * _logits(2))
    assert _judged(near, "float32", noise=1e-6)[0].outliers.count == 0
    near[3] += 0.05
    assert [row.position for row in _judged(near, "float32", noise=1e-6)[0].outliers.list] == [3]


def test_a_router_may_flip_elsewhere_than_the_noise_floors_and_the_rest_is_judged() -> None:
    """One rerouted position of a mixture of experts with a hundred times the noise passes; a third of all fails."""
    candidate = REFERENCE + 0.02 * _logits(2)
    candidate[5] += 4 * _logits(3)[5]
    assert _judged(candidate)[1]["noise_ratio"] == "fail"  # as a dense model
    run, status = _judged(candidate, routed=True)
    assert (run.outliers.count, run.outliers.allowed) == (1, 350)
    assert run.settled.n_positions == POSITIONS - 1
    assert run.settled.noise_ratio == pytest.approx(1, abs=0.01)
    assert run.flips.unexplained == 0
    assert set(status.values()) == {"pass"}
    candidate[100:400] += 4 * _logits(3)[100:400]
    run, status = _judged(candidate, routed=True)
    assert run.outliers.count == 301
    assert status["outlier_positions"] == "fail"


@pytest.mark.parametrize(
    ("count", "of_floor", "lengths", "most"),
    [
        *((0, 0, [8], 3), (49, 0, [100], 35), (0, 36, [100], 54), (1, 0, [1000], 350)),
        *((11, 0, [16, 16], 16), (11, 0, [16] * 4, 22), (11, 0, [60, 10, 10, 10, 10], 35)),
    ],
)
def test_as_many_positions_as_the_noise_floor_has_of_its_own(
    count: int, of_floor: int, lengths: list[int], most: int
) -> None:
    assert outliers.allowed(count, of_floor, lengths) == most


@pytest.mark.parametrize(("moved", "status"), [([11, 0], "pass"), ([11, 11], "fail"), ([9, 9, 0], "fail")])
def test_of_two_texts_a_flip_may_move_one(moved: list[int], status: str) -> None:
    """Seen in a correct engine: a tiny Mixtral in float16, two texts of 16 generated tokens."""
    errors_ = np.zeros(16, dtype=[("position", "i8"), ("mse", "f8"), ("mean_difference", "f8")])
    found: Any = {str(text): (errors_, np.r_[np.full(n, 570.0), np.ones(16 - n)]) for text, n in enumerate(moved)}
    assert gates._outliers("c", outliers.summary(found, of_floor=0)).status == status


@pytest.mark.parametrize("routed", [False, True])
def test_what_is_found_stands_in_the_results_and_in_the_table(routed: bool) -> None:
    candidate = REFERENCE + 0.02 * _logits(2)
    candidate[417] += 0.3 * _logits(3)[417]
    run = _judged(candidate, routed=routed)[0]
    assert (run.settled is not None) is routed
    spent = Stopwatch().split()
    document: Any = SimpleNamespace(data=SimpleNamespace(candidates={"c": run}, decode={}, spent=spent))
    shown = details.outliers(document)
    assert "t, position 417" in str(shown.rows[0])
    assert shown.rows[0][3] == 1
    assert "comparing logits" in details.spent(document).source


def test_a_measurement_that_an_older_version_did_not_make_is_no_table_of_nothing() -> None:
    older = SimpleNamespace(
        outliers=None, outliers_why="measured by an older version", n_positions=9, beside_alone=None
    )
    runs = {"vllm_eager": older, "vllm_eager_concurrent": older}
    document: Any = SimpleNamespace(data=SimpleNamespace(candidates={"vllm_eager": older}, decode=runs))
    assert details.outliers(document).source == ("Single positions that stand out: measured by an older version.")
    assert "older version" in details.beside_alone(document).source
    document.data.decode = {"vllm_eager": older}
    assert details.beside_alone(document).source == "No run answered the prompts among others."
