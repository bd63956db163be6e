from __future__ import annotations

import time

import pytest
from evalpress.core import progress


def test_steps_that_differ_in_a_number_are_added_up_and_nothing_is_lost(monkeypatch, tmp_path):
    monkeypatch.setenv("EVALPRESS_PROGRESS", str(tmp_path / "progress"))
    now = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    progress.forget()
    for text in ("loading", "block 1 of 2: decode", "block 2 of 2: decode", "writing"):
        progress.step(text)
    found = progress.durations()
    assert found == {"before the first step": 1.0, "loading": 2.0, "block … of …: decode": 7.0, "writing": 5.0}
    assert sum(found.values()) == pytest.approx(15.0)
    assert (tmp_path / "progress").read_text() == "writing"
