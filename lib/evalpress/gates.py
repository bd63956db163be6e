"""Gates: what must hold before a report may say pass, each with the found and the allowed value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from evalpress.params.schema import GateParams, Params

Data = dict[str, dict[str, Any]]
"""Section name -> its results' `data`."""


def evaluate(params: Params, data: Data) -> list[dict[str, Any]]:
    """All gates of the sections that have results."""
    rooms: dict[str, Callable[[Params, Data], Iterator[dict[str, Any]]]] = {
        "setup": _setup,
        "benchmark": _benchmark,
        "serving": _serving,
        "evidence": _evidence,
        "alignment": _alignment,
        "quality": _quality,
    }
    return [gate for section, room in rooms.items() if section in data for gate in room(params, data)]


def gate(section: str, name: str, status: str, found: Any, allowed: str) -> dict[str, Any]:
    """One gate; `status` is pass, warn, fail or off."""
    return {"id": name, "section": section, "status": status, "found": found, "allowed": allowed}


def _limit(section: str, name: str, found: float | None, limit: float | None, *, at_least: bool) -> dict[str, Any]:
    sign = "≥" if at_least else "≤"
    if limit is None:
        return gate(section, name, "off", found, "switched off in this set") | _why(found)
    allowed = f"{sign} {limit:g}"
    if found is None:
        return gate(section, name, "fail", None, allowed) | _why(found)
    holds = found >= limit if at_least else found <= limit
    return gate(section, name, "pass" if holds else "fail", found, allowed)


def _why(found: Any) -> dict[str, str]:
    return {} if found is not None else {"found_why": "not measured"}


def _setup(params: Params, data: Data) -> Iterator[dict[str, Any]]:
    checks = data["setup"]["version_check"]
    worst = max((c["status"] for c in checks), key=("ok", "warn", "fail").index, default="ok")
    odd = [f"{c['component']} {c['found']}" for c in checks if c["status"] != "ok"]
    status = {"ok": "pass"}.get(worst, worst)
    yield gate("setup", "version_set", status, "; ".join(odd) or "all match", "one matched version set")


def _benchmark(params: Params, data: Data) -> Iterator[dict[str, Any]]:
    modes = data["benchmark"]["modes"]
    failed = sum(w["failed"] for mode in modes.values() for w in mode["workloads"].values())
    yield gate("benchmark", "requests_failed", "pass" if failed == 0 else "fail", failed, "0")
    unsteady = [
        f"{m}/{n}" for m, mode in modes.items() for n, w in mode["workloads"].items() if w["steadiness"] == "unsteady"
    ]
    shown = f"unsteady: {', '.join(unsteady)}" if unsteady else "all steady or fair"
    yield gate("benchmark", "steadiness", "warn" if unsteady else "pass", shown, "variation over blocks ≤ 10 %")
    odd = [i["id"] for i in data["benchmark"]["identities"] if i["status"] != "ok"]
    yield gate(
        "benchmark",
        "identities",
        "warn" if odd else "pass",
        ", ".join(odd) or "all hold",
        "all identities hold",
    )


def _serving(params: Params, data: Data) -> Iterator[dict[str, Any]]:
    failed = sum(point["failed"] for key in ("levels", "rates") for point in data["serving"][key])
    yield gate("serving", "requests_failed", "pass" if failed == 0 else "fail", failed, "0")


def _evidence(params: Params, data: Data) -> Iterator[dict[str, Any]]:
    for rung in data["evidence"]["determinism"]:
        if rung["identical"] is None:
            continue  # it was not measured: the ladder shows why
        found = f"{rung['identical']} of {rung['of']} identical"
        whole = rung["identical"] == rung["of"]
        if rung["rung"] == "same_engine_again":
            strict = params.gates.evidence_repeats_identical
            status = "pass" if whole else ("fail" if strict else "warn")
            yield gate("evidence", "repeats_identical", status, found, "all outputs identical when asked again")
        elif not whole:
            yield gate("evidence", rung["rung"], "warn", found, "all identical; a difference is a finding")
    yield from _same_numbers(data)


def _same_numbers(data: Data) -> Iterator[dict[str, Any]]:
    """The arg max at the last prompt position must be the first greedy token of the same prompt, engine by engine."""
    if "alignment" not in data:
        return
    plain = {c["id"] for c in data["evidence"]["cases"] if c["rendered_prompt"] == c["prompt"]}
    pairs = {
        f"{item['prompt_id']} ({mode})": (item["token"], answered[item["prompt_id"]])
        for mode, answered in data["evidence"]["first_tokens"].items()
        for item in data["alignment"]["last_tokens"].get(f"vllm_{mode}", [])
        if item["prompt_id"] in plain and item["prompt_id"] in answered
    }
    wrong = [name for name, (best, first) in pairs.items() if best != first]
    if pairs:
        agreed = f"{len(pairs)} of {len(pairs)} prompts and engines agree"
        found = f"contradiction in {', '.join(wrong)}" if wrong else agreed
        status, allowed = "fail" if wrong else "pass", "first greedy token = arg max of the logits"
        yield gate("evidence", "first_token_is_argmax", status, found, allowed)


def _alignment(params: Params, data: Data) -> Iterator[dict[str, Any]]:
    g: GateParams = params.gates
    for name, c in data["alignment"]["candidates"].items():
        yield _limit(
            "alignment",
            f"{name}.cosine_similarity",
            c["cosine_similarity"],
            g.cosine_similarity_min,
            at_least=True,
        )
        yield _limit("alignment", f"{name}.kl_divergence", c["kl_divergence"], g.kl_divergence_max, at_least=False)
        yield _limit(
            "alignment",
            f"{name}.unexplained_flips",
            c["flips"]["unexplained"],
            g.unexplained_flips_max,
            at_least=False,
        )
        noise = _limit("alignment", f"{name}.noise_ratio", c["noise_ratio"], g.noise_ratio_max, at_least=False)
        above = (
            g.noise_ratio_warn is not None and c["noise_ratio"] is not None and c["noise_ratio"] > g.noise_ratio_warn
        )
        if noise["status"] == "pass" and above:
            noise |= {
                "status": "warn",
                "allowed": f"≤ {g.noise_ratio_warn:g}, fails above {g.noise_ratio_max:g}",
            }
        yield noise
    yield from _layers(data["alignment"].get("layers"))


def _layers(layers: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The first stage of the model whose error leaves the noise, for every leg with hidden states."""
    for name, leg in (layers or {}).get("candidates", {}).items():
        first = leg["first_beyond_noise"]
        yield gate(
            "alignment", f"{name}.layers", "fail" if first else "pass", first or "none", "no stage leaves the noise"
        )


def _quality(params: Params, data: Data) -> Iterator[dict[str, Any]]:
    judged = [c for c in data["quality"]["cases"] if c["verdict"] in ("pass", "fail")]
    rate = sum(c["verdict"] == "pass" for c in judged) / len(judged) if judged else None
    found = _limit("quality", "pass_rate", rate, params.gates.quality_pass_rate_min, at_least=True)
    yield found | {"n": len(judged)}
    waiting = sum(c["verdict"] == "needs_review" for c in data["quality"]["cases"])
    yield gate("quality", "reviews_pending", "warn" if waiting else "pass", waiting, "0 cases waiting for a person")
