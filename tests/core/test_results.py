"""Results files: atomic, validated, no NaN, no unexplained null."""

from __future__ import annotations

import json

import pytest
from evalpress.core import results
from evalpress.core.errors import MeasurementError, UserError

DATA = {"levels": [{"a": 1.5}], "rates": []}


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "results" / "serving.json"
    written = results.write(path, "serving", DATA, {"p": 1}, {"suite_version": "x"})
    assert results.read(path, "serving", dict) == written
    assert set(json.loads(path.read_text())) == {"schema", "created", "provenance", "params", "data"}
    assert json.loads(path.read_text())["schema"] == "evalpress/serving/1"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"levels": [{"x": float("nan")}], "rates": []}, r"levels\[0\].x: nan is not a finite number"),
        ({"levels": [{"x": float("inf")}], "rates": []}, "inf is not a finite"),
        ({"levels": [{"x": None}], "rates": []}, "x: is null without x_why"),
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
        results.read(path, "serving", dict)
    path.write_text("{")
    with pytest.raises(UserError, match="not readable as JSON"):
        results.read(path, "serving", dict)
    path.write_text(json.dumps({"schema": "evalpress/serving/99"}))
    with pytest.raises(UserError, match="found 'evalpress/serving/99', allowed 'evalpress/serving/1'"):
        results.read(path, "serving", dict)


class Measured(results.Results):
    """What a section might have measured."""

    rate: float | None
    rate_why: str | None = None
    mode: str | None = None


def test_typed_results_are_read_back_as_objects_and_keep_the_rules_of_null(tmp_path):
    path = tmp_path / "serving.json"
    results.write(path, "serving", Measured(rate=None, rate_why="no device"), {}, {})
    assert json.loads(path.read_text())["data"] == {"rate": None, "rate_why": "no device"}
    assert results.read(path, "serving", Measured).data.rate_why == "no device"
    results.write(path, "serving", Measured(rate=2.0, mode="eager"), {}, {})
    assert json.loads(path.read_text())["data"] == {"rate": 2.0, "mode": "eager"}
    with pytest.raises(ValueError, match="rate is null without rate_why"):
        Measured(rate=None)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"rate": "fast"}, "data.rate: found 'fast' .text."),
        ({"rate": 1.0, "tempo": 2}, "data.tempo: unknown key"),
        ({"rate": None}, "data: rate is null without rate_why"),
        (None, "data: found nothing .null., allowed a mapping"),
        ([], "data: found .. .list., allowed a mapping"),
    ],
)
def test_an_edited_file_is_one_line_with_its_key(tmp_path, data, told):
    path = tmp_path / "serving.json"
    whole = {"schema": "evalpress/serving/1", "created": "x", "provenance": {}, "params": {}, "data": data}
    path.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=told) as error:
        results.read(path, "serving", Measured)
    assert "\n" not in str(error.value)


def test_a_reason_that_older_files_get_is_none_where_the_value_is_there():
    class Late(results.Model):
        speed: float | None = None
        speed_why: str | None = "measured before this figure was kept"

    assert Late.model_validate({}).speed_why == "measured before this figure was kept"
    known = Late.model_validate({"speed": 2.0})
    assert known.speed_why is None and known.model_dump() == {"speed": 2.0}
    assert Late.model_validate(known.model_dump()) == known
    assert Late.model_validate({"speed": None, "speed_why": "no counter"}).speed_why == "no counter"


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    results.write_json(path, {"a": 1})
    with pytest.raises(MeasurementError, match="not JSON compliant"):
        results.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
