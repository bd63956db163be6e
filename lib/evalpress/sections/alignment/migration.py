"""Results of older versions of the section in today's form."""

from __future__ import annotations

from typing import Any

from evalpress.core.plain import Json
from evalpress.core.results import nulls

OLDER = "measured by an older version of this suite, which did not record it"
_NEW = (
    "centred_rmse",
    "mean_relative_error",
    "match_within_1_percent",
    "match_within_5_permille",
    "match_within_2_permille",
)


def current(data: Json, version: int) -> Json:
    """Version 1: no decode path, tails, shares of close logits, calibrated limits; 2: no outliers; 3: no mean error."""
    if version == 1:
        data = _from_first(data)
    if version < 3:
        unknown = _unknown("outliers")
        data = data | _unknown("spent") | {"noise_floor": unknown | data["noise_floor"]}
        for key in ("candidates", "decode"):
            data[key] = {name: unknown | run for name, run in data[key].items()}
    return {key: _with_mean_error(value) for key, value in data.items()}


def _with_mean_error(found: Any) -> Any:
    """`found` in which every set of metrics says that its mean absolute error was not recorded."""
    if isinstance(found, list):
        return [_with_mean_error(one) for one in found]
    if not isinstance(found, dict):
        return found
    inner = {key: _with_mean_error(value) for key, value in found.items()}
    return _unknown("mean_abs_err") | inner if "undefined_cosines" in inner else inner


def _from_first(data: Json) -> Json:
    runs = {name: _run(run) for name, run in data["candidates"].items()}
    found = data | {"noise_floor": _run(data["noise_floor"]), "candidates": runs}
    found |= {"decode": {}, "decode_why_not": {"all": OLDER}}
    if found.get("layers"):
        found["layers"] = found["layers"] | {"honest": {}} | _unknown("limits", "left_out")
    return found


def _unknown(*keys: str) -> Json:
    return nulls(keys, OLDER)


def _metrics(found: Json) -> Json:
    return _unknown(*_NEW) | {"undefined_cosines": 0} | found


def _run(run: Json) -> Json:
    """A run of version 1 with what it lacks, null and with a reason."""
    last = run["last_positions"]
    ratio = _unknown("centred_noise_ratio")
    flips = [_unknown("gap") | flip for flip in run["flips"]["list"]]
    texts = [_metrics(ratio | text | {"last_position": _metrics(text["last_position"])}) for text in run["prompts"]]
    return _metrics(ratio | _unknown("tails") | {"scale": "logits"} | run) | {
        "flips": run["flips"] | {"list": flips},
        "last_positions": None if last is None else _metrics(last),
        "by_position": [ratio | row for row in run["by_position"]],
        "prompts": texts,
    }
