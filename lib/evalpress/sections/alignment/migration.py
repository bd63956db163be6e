"""Results of older versions of the section in today's form."""

from __future__ import annotations

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
    """Version 1: no decode path, tails, shares of close logits or calibrated limits; version 2: no outliers."""
    if version == 1:
        data = _from_first(data)
    unknown = _unknown("outliers")
    found = data | _unknown("spent") | {"noise_floor": unknown | data["noise_floor"]}
    for key in ("candidates", "decode"):
        found[key] = {name: unknown | run for name, run in data[key].items()}
    return found


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
