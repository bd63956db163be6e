"""Results of version 1 in today's form."""

from __future__ import annotations

from evalpress.core.plain import Json

_OFF = "benchmark.ceilings is off"
_BREAK_EVEN = ("extra_startup_s", "saved_s_per_token", "tokens", "seconds", "tokens_low", "tokens_high")
_LINE = ("ms_per_token", "ms_per_token_low", "ms_per_token_high", "intercept_ms", "r_squared")


def from_version_1(data: Json) -> Json:
    """The same results with every key that version 1 left out, as null with its reason."""
    modes = {name: _mode(mode) for name, mode in data.get("modes", {}).items()}
    scaling = data.get("scaling", {})
    output = {mode: {"requests": 0} | _nulls(line, _LINE) for mode, line in scaling.get("output", {}).items()}
    return data | {
        "modes": modes,
        "scaling": scaling | {"output": output},
        "break_even": _break_even(data.get("break_even", {})),
    }


def _mode(mode: Json) -> Json:
    bounds = ("bandwidth_bound_tok_s", "arithmetic_bound_tok_s")
    return mode | {"workloads": {name: _nulls(w, bounds, _OFF) for name, w in mode.get("workloads", {}).items()}}


def _break_even(found: Json) -> Json:
    whole = _nulls(found, (*_BREAK_EVEN, "workload", "by_phases", "cold"))
    for part in ("by_phases", "cold"):
        if whole[part] is not None:
            whole[part] = _nulls(whole[part], _BREAK_EVEN)
    return whole


def _nulls(found: Json, keys: tuple[str, ...], why: str = "not measured") -> Json:
    """`found` with the keys that it lacks as nulls; the reason of its first null also serves those that have none."""
    given = next((value for key, value in found.items() if key.endswith("_why")), why)
    missing = {key: None for key in keys if key not in found}
    return found | missing | {f"{key}_why": given for key in missing}
