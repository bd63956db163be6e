"""Results files: atomic, validated, no NaN, no unexplained null."""

from __future__ import annotations

import json

import pytest
from evalpress import results
from evalpress.errors import MeasurementError, UserError

DATA = {"levels": [{"a": 1.5}], "rates": []}


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "results" / "serving.json"
    written = results.write(path, "serving", DATA, {"p": 1}, {"suite_version": "x"})
    assert results.read(path, "serving") == written
    assert written["schema"] == "evalpress/serving/1"
    assert set(written) == {"schema", "created", "provenance", "params", "data"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"levels": [{"x": float("nan")}], "rates": []}, r"levels\[0\].x: nan is not a finite number"),
        ({"levels": [{"x": float("inf")}], "rates": []}, "inf is not a finite"),
        ({"levels": [{"x": None}], "rates": []}, "x: is null without x_why"),
        ({}, "results lack levels, rates"),
    ],
)
def test_unusable_values_are_refused_and_nothing_is_written(tmp_path, data, told):
    path = tmp_path / "serving.json"
    with pytest.raises(MeasurementError, match=told):
        results.write(path, "serving", data, {}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_null_with_its_reason_passes(tmp_path):
    results.write(tmp_path / "s.json", "serving", {"levels": [], "rates": [], "x": None, "x_why": "no device"}, {}, {})


def test_a_broken_or_foreign_file_is_named(tmp_path):
    path = tmp_path / "serving.json"
    with pytest.raises(UserError, match="file not found"):
        results.read(path, "serving")
    path.write_text("{")
    with pytest.raises(UserError, match="not readable as JSON"):
        results.read(path, "serving")
    path.write_text(json.dumps({"schema": "evalpress/serving/99"}))
    with pytest.raises(UserError, match="found 'evalpress/serving/99', allowed 'evalpress/serving/1'"):
        results.read(path, "serving")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    results.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
