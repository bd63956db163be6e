"""Every invariant and every gate of the benchmark section can fail, and its results are still kept."""

from __future__ import annotations

import pytest
import samples_facts
from blocks import block, request
from evalpress import params
from evalpress.sections.benchmark import invariants
from evalpress.sections.benchmark.gates import gates
from samples import benchmark

FACTS = samples_facts.dense(parameters=1_050_752, embedding=500_000, dtype="bfloat16", kv_values=512, width=16)
DATA = benchmark().data
SHAPES = {"w": DATA.workloads["e2e_16"].model_copy(update={"input_len": 10})}
SOUND = {"w": {"eager": [block(1.2, request(0.1, 1.1, 16), itl=(0.5, 0.5))]}}


def check(blocks=SOUND, modes=DATA.modes, peaks=DATA.ceilings, shapes=SHAPES, facts=FACTS):
    return {item.id: item.status for item in invariants.check(modes, shapes, blocks, facts, peaks)}


def of(*requests, duration=9.0, itl=()):
    return {"w": {"eager": [block(duration, *requests, itl=itl)]}}


def changed(part, **update):
    mode = DATA.modes["eager"]
    return DATA.modes | {"eager": mode.model_copy(update={part: getattr(mode, part).model_copy(update=update)})}


def faster(**update):
    mode = DATA.modes["eager"]
    work = {name: w.model_copy(update=update) for name, w in mode.workloads.items()}
    return DATA.modes | {"eager": mode.model_copy(update={"workloads": work})}


BREAKS = {
    "ttft_le_e2el": ("broken", {"blocks": of(request(1.2, 1.1, 16))}),
    "input_len": ("broken", {"blocks": of(request(0.1, 1.1, 16, prompt=9))}),
    "output_len": ("broken", {"blocks": of(request(0.1, 1.1, 15))}),
    "e2el_le_duration": ("note", {"blocks": of(request(0.1, 1.1, 16), duration=1.0)}),
    "itl_sum": ("note", {"blocks": of(request(0.1, 1.1, 16), itl=(0.5,))}),
    "startup_eager": (
        "note",
        {"modes": changed("startup", unaccounted_s=None, unaccounted_s_why="overlap")},
    ),
    "weights_eager": ("note", {"modes": changed("memory", model_weights_gib=0.004)}),
    "kv_cache_eager": ("note", {"modes": changed("memory", kv_cache_tokens=2**30)}),
    "shares_le_1": ("broken", {"modes": faster(prefill_throughput=1e9)}),
}


def test_all_hold_of_a_sound_run():
    assert set(check().values()) == {"ok"}
    assert set(BREAKS) | {"startup_compiled", "weights_compiled", "kv_cache_compiled"} == set(check())


@pytest.mark.parametrize("name", BREAKS)
def test_each_can_break(name):
    status, case = BREAKS[name]
    assert check(**case)[name] == status


def test_requests_one_by_one_are_added_up():
    one_by_one = {"w": SHAPES["w"].model_copy(update={"concurrent": False})}
    blocks = of(request(0.1, 1.1, 16), request(0.1, 1.1, 16), duration=1.2)
    assert check(blocks, shapes=SHAPES)["e2el_le_duration"] == "ok"
    assert check(blocks, shapes=one_by_one)["e2el_le_duration"] == "note"


def test_weights_in_the_processors_cache_allow_a_bandwidth_share_above_one_only():
    modes = faster(decode_throughput=1e9)
    assert check(modes=modes)["shares_le_1"] == "note"
    small = DATA.ceilings.model_copy(update={"cache_bytes": 2**20})
    assert check(modes=modes, peaks=small)["shares_le_1"] == "broken"
    assert "shares_le_1" not in check(peaks=None)


def statuses(data):
    return {gate.id: gate.status for gate in gates(params.load("demo"), data)}


def test_each_gate_can_fail():
    assert set(statuses(DATA).values()) == {"pass"}
    assert statuses(DATA.model_copy(update={"modes": faster(failed=1)}))["requests_failed"] == "fail"
    assert statuses(DATA.model_copy(update={"modes": faster(steadiness="unsteady")}))["steadiness"] == "warn"
    for found, expected in (("note", "warn"), ("broken", "fail")):
        odd = DATA.identities[0].model_copy(update={"status": found})
        assert statuses(DATA.model_copy(update={"identities": (odd,)}))["identities"] == expected
