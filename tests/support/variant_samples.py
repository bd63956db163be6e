"""The made-up benchmark of `samples` with two ways of compiling in place of one."""

from __future__ import annotations

import copy
from typing import Any

import samples
from evalpress.core.results import Document
from evalpress.sections.benchmark.results import Results

NAMES = ("piecewise", "full")
PARAMS = {"engine": {"variants": {name: {} for name in NAMES}}}


def benchmark() -> Document[Results]:
    """Eager, piecewise and full, the last of which is half as fast as eager."""
    whole = samples.benchmark_json()
    data = whole["data"]
    compiled = data["modes"].pop("compiled")
    pair: dict[str, Any] = {key: data.pop(key) for key in ("comparison", "identical_tokens", "break_even")}
    why = "see variants (engine.modes)"
    nothing = dict.fromkeys(("workload", "by_phases", "cold", "extra_startup_s", "saved_s_per_token", "tokens"))
    nothing |= dict.fromkeys(("seconds", "tokens_low", "tokens_high"))
    nothing |= {f"{key}_why": why for key in nothing}
    data["modes"] |= {name: copy.deepcopy(compiled) for name in NAMES}
    data |= {"comparison": {}, "comparison_why": why, "identical_tokens": {}, "break_even": nothing}
    data["variants"] = {name: copy.deepcopy(pair) for name in NAMES}
    for load in data["variants"]["full"]["comparison"].values():
        load["output_throughput"] |= {"compiled": 17.0, "ratio": 0.5, "ci_low": 0.45, "ci_high": 0.55}
    for name in ("batch", "prompt"):
        rows = [row for row in data["scaling"][name] if row["mode"] == "compiled"]
        data["scaling"][name] = [row for row in data["scaling"][name] if row["mode"] == "eager"]
        data["scaling"][name] += [row | {"mode": mode} for mode in NAMES for row in rows]
    data["scaling"]["output"] |= dict.fromkeys(NAMES, data["scaling"]["output"]["compiled"])
    del data["scaling"]["output"]["compiled"]
    whole["params"] |= PARAMS
    return Document[Results].model_validate(whole)
