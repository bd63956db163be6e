"""Shares of the processors' time over a measurement."""

from __future__ import annotations

import os

from evalpress.platforms import processor_time
from evalpress.platforms.processor_time import Reading


def test_shares_of_two_readings_by_hand():
    found = processor_time.shares(Reading(100, 50, 1, 10), Reading(200, 70, 3, 60))
    assert found == {"busy_share": 0.8, "own_share": 0.5, "steal_share": 0.02}


def test_the_line_of_proc_stat_is_read_in_seconds(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 400 50 6 4 90 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    found, tick = processor_time.read(stat), os.sysconf("SC_CLK_TCK")
    assert found is not None
    assert (found.total, found.idle, found.steal) == (700 / tick, 450 / tick, 90 / tick)
    assert found.own > 0


def test_a_system_without_it_says_so(tmp_path):
    (tmp_path / "short").write_text("cpu 1 2 3\n")
    assert processor_time.read(tmp_path / "none") is processor_time.read(tmp_path / "short") is None
    found = processor_time.shares(None, None)
    assert found["busy_share"] is None and "/proc/stat" in found["busy_share_why"]
