"""The estimate of a set that was never measured follows from its sizes and from the host's rates."""

from __future__ import annotations

import pytest
from evalpress import params
from evalpress.run import estimate, pipeline
from evalpress.sections import pilot

SPEED = pilot.Speed(weight_bytes=1e9, active_parameters=5e8, layers=24, bytes_s=1e10, flop_s=1e11)
NAMES = ("setup", "benchmark", "alignment", "quality", "serving", "evidence")


def test_a_step_takes_as_long_as_reading_the_weights_or_multiplying_them():
    assert SPEED.step_s(1) == pytest.approx(0.002 + 24 * 0.0003 + 0.1)  # 1 GB at 10 GB/s
    assert SPEED.step_s(100) == pytest.approx(0.002 + 24 * 0.0003 + 1.0)  # 100 tokens x 1 GFLOP at 100 GFLOP/s


def test_requests_come_in_waves_of_a_given_size():
    wave = SPEED.step_s(4 * 64) + 32 * SPEED.step_s(4)
    assert SPEED.requests_s(8, 64, 32, 4) == pytest.approx(2 * wave)
    assert SPEED.requests_s(2, 64, 32, 4) == pytest.approx(SPEED.step_s(2 * 64) + 32 * SPEED.step_s(2))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("benchmark", "benchmark.blocks", 60),
        ("benchmark", "benchmark.scaling", None),
        ("benchmark", "benchmark.features.depth", {}),
        ("benchmark", "benchmark.features.prefix_cache", {}),
        ("benchmark", "benchmark.features.speculation", {}),
        ("benchmark", "benchmark.features.kv_cache", {}),
        ("alignment", "alignment.decode_tokens", 320),
        ("quality", "quality.human_eval.run", True),
        ("serving", "serving.requests_per_level", 160),
        ("serving", "serving.starts.cold", 1),
        ("serving", "serving.starts.warm", 3),
        ("evidence", "evidence.check_tokens", 10000),
    ],
)
def test_more_work_takes_longer(name, key, value):
    before = pilot.section_s(name, params.load("demo"), SPEED)
    after = pilot.section_s(name, params.load("demo", {key: value}), SPEED)
    assert (after < before) if value is None else (after > before)


def test_a_set_that_was_never_measured_is_estimated_from_a_pilot(monkeypatch, tmp_path):
    monkeypatch.setattr(pilot, "speed", lambda _: SPEED)
    rows = estimate.rows(pipeline.prepare("demo", str(tmp_path), force=False, overrides={}))
    assert [row.section for row in rows if row.from_pilot] == [row.section for row in rows]
    assert set(NAMES) == {row.section for row in rows}
    assert all(row.as_dict()["from"] == "pilot" and row.as_dict()["minutes"] > 0 for row in rows)


def test_without_the_model_the_time_is_unknown_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(pilot, "speed", lambda _: None)
    row = estimate.rows(pipeline.prepare("demo", str(tmp_path), force=False, overrides={}))[0]
    assert row.as_dict()["minutes"] is None
    assert "no pilot" in row.as_dict()["minutes_why"]
