"""Energy in the results of the benchmark and of serving, and in their tables."""

from __future__ import annotations

import pytest
import samples
import serving_samples
from evalpress import params
from evalpress.core.results import Document
from evalpress.platforms.power import Meter, Reading
from evalpress.sections.benchmark import energy, engine_tables
from evalpress.sections.benchmark.observations import Block, Request
from evalpress.sections.serving import energy as served
from evalpress.sections.serving import tables


class Source:
    """Where the readings of these tests are said to be from."""

    name, period_s = "a simulated source", 1.0

    def read(self):
        raise RuntimeError("not asked here")


def read_from(begin: float, watts: float) -> Meter:
    """A meter that read a constant power for 100 s."""
    meter = Meter(Source())
    for step in range(1001):
        meter.series.add(begin + step / 10, Reading(watts=watts, utilisation_percent=80.0, temperature_c=51.0))
    return meter


def blocks(begin: float) -> list[Block]:
    request = Request(
        prompt_tokens=8, output_tokens=50, ttft=0.1, e2el=2.0, scheduled_ts=0, first_token_ts=0.1, last_token_ts=2.0,
        tokens_sha256="",
    )  # fmt: skip
    return [Block(block=i, began=begin + 4 * i, duration=2.0, failed=0, requests=(request,), itl=()) for i in range(6)]


def test_each_mode_gets_the_energy_of_its_own_blocks():
    measured = {"decode": {"eager": blocks(10.0), "full": blocks(212.0)}}
    found = energy.of_blocks([read_from(0.0, 300.0), read_from(200.0, 500.0)], measured)
    assert found["energy_source"] == "a simulated source"
    assert found["energy"]["eager"]["decode"].j_per_output_token == pytest.approx(300 * 12 / 300)
    assert found["energy"]["full"]["decode"].mean_w == pytest.approx(500)
    document = samples.benchmark()
    names = dict.fromkeys(document.data.workloads, found["energy"]["eager"]["decode"])
    every = {"eager": names, "compiled": names}
    shown = Document[type(document.data)].model_construct(
        data=document.data.model_copy(update=found | {"energy": every}), params={}, provenance={}
    )
    page = engine_tables.energy(shown).markdown()
    assert "a simulated source" in page and "12" in page and "80" in page


def test_nothing_read_is_one_row_with_the_reason():
    found = energy.of_blocks([Meter(None, "no counter here")], {"decode": {"eager": blocks(0.0)}})
    assert found["energy"] == {} and found["energy_why"] == found["energy_source_why"] == "no counter here"
    document = samples.benchmark()
    shown = Document[type(document.data)].model_construct(
        data=document.data.model_copy(update=found), params={}, provenance={}
    )
    assert "no counter here" in engine_tables.energy(shown).markdown()
    assert "a release that read no power" in engine_tables.energy(document).markdown()


def test_each_load_on_a_server_gets_the_energy_of_its_repeats():
    made = serving_samples.repeat(serving_samples.closed(4, 400, 0.05, 0.01), 4)
    load = type(made.load)(made.load.observations, made.load.seconds, 0.1, 20.0)
    runs = {("eager", "concurrency-4"): [type(made)(load, made.window, 4)]}
    late = type(made.load)(made.load.observations, made.load.seconds, 0.1, 99.9)
    runs["eager", "search-7"] = [type(made)(late, made.window, None)]
    (row,) = served.of_loads(read_from(0.0, 250.0), runs)
    assert (row.mode, row.load) == ("eager", "concurrency-4")
    tokens = sum(one.output_tokens for one in load.observations)
    assert row.joules == pytest.approx(250 * load.seconds)
    assert row.output_tok_s_per_w == pytest.approx(tokens / (250 * load.seconds))
    shown = serving_samples.document(energy=(row,), energy_source="a simulated source")
    page = tables.energy(shown).markdown()
    assert "concurrency 4" in page and "a simulated source" in page
    assert served.described([Meter(None, "why")]) == {
        "energy_source": None, "energy_source_why": "why", "energy_why": "why",
    }  # fmt: skip


def test_the_power_of_a_server_elsewhere_is_not_read():
    demo = params.load("demo", {"serving.base_url": "http://127.0.0.1:1"})
    assert "another host" in served.meter(demo).absent
