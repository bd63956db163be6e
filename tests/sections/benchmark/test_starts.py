"""Cold, warm and repeated starts: which is shown as which."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from evalpress import engine, params
from evalpress.engine.compile_cache import NOTHING_SAVED
from evalpress.engine.startup import AGAIN, EMPTY, USED
from evalpress.sections.benchmark import starts
from samples import benchmark

START = benchmark().data.modes["compiled"].startup


@pytest.fixture
def started(monkeypatch):
    """Engines whose starts have the given outcomes, one after the other; `asked` are the calls."""
    asked: list[str] = []

    def plan(*words, saved=None):
        found = iter(words)

        def start(call):
            asked.append(call)
            word = next(found)
            again = {"second_in_process": True} if call == "reload" else {}
            total = START.total_s + len(asked)
            return SimpleNamespace(
                startup=START.model_copy(update={"compile_cache": word, "cold": word != USED, "total_s": total} | again)
            )

        monkeypatch.setattr(engine, "get", lambda params, mode: start("get"))
        monkeypatch.setattr(engine, "reload", lambda params, mode: start("reload"))
        monkeypatch.setattr(engine, "load_cold_start", lambda params, mode: saved)
        return asked

    return plan


def load(repeats=1, mode="compiled"):
    demo = params.load("demo")
    asked = demo.benchmark.model_copy(update={"startup_repeats": repeats})
    return starts.load(demo.model_copy(update={"benchmark": asked}), mode)


def test_a_cold_start_is_followed_by_a_warm_one(started):
    asked = started(EMPTY, USED)
    found = load()
    assert asked == ["get", "reload"]
    assert (found.cold.compile_cache, found.warm.compile_cache) == (EMPTY, USED)


def test_a_second_start_that_compiles_again_says_so_and_never_replaces_the_cold_one(started):
    started(EMPTY, AGAIN, saved=START.model_copy(update={"total_s": 1.0}))
    found = load()
    assert found.warm.compile_cache == AGAIN and found.warm.cold and found.warm.second_in_process
    assert found.cold.compile_cache == EMPTY and found.cold.total_s == START.total_s + 1


def test_an_engine_that_saves_nothing_is_not_started_again(started):
    asked = started(NOTHING_SAVED)
    found = load()
    assert asked == ["get"] and found.warm.cold
    assert found.cold is None and "nothing that an earlier start had saved" in found.cold_why


def test_a_filled_cache_shows_the_saved_cold_start(started):
    earlier = {"compile_cache": EMPTY, "measured": "2026-11-23T03:47:20Z", "host": {}}
    started(USED, saved=START.model_copy(update=earlier))
    assert load().cold.measured == "2026-11-23T03:47:20Z"
    started(USED)
    assert load().cold_why.startswith("no engine of these settings")


def test_further_starts_are_counted(started):
    asked = started(*["none"] * 3)
    found = load(repeats=3, mode="eager")
    assert asked == ["get", "reload", "reload"]
    assert found.repeats_s == (START.total_s + 2, START.total_s + 3)
