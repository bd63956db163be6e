"""Energy from readings: known integrals, counters that start again, recorded tables, and what has no figure."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from evalpress.platforms import power_sources
from evalpress.platforms.power import Meter, Reading, Series
from evalpress.platforms.power_sources import NpuSmiSource, NvmlSource, RaplSource
from hypothesis import given
from hypothesis import strategies as st

TABLES = Path(__file__).resolve().parents[1] / "data" / "ascend" / "npu-smi"


def sampled(watts, until=20.0, every=0.1) -> Series:
    """A power over time, read at even distances."""
    series = Series()
    for step in range(round(until / every) + 1):
        series.add(step * every, Reading(watts=watts(step * every), utilisation_percent=50.0, temperature_c=40 + step))
    return series


def test_a_power_that_rises_in_a_line_is_integrated_exactly():
    found = sampled(lambda t: 100 + 10 * t).energy([(2.0, 8.0), (11.0, 15.0)], 380)
    assert found.joules == pytest.approx(6 * 150 + 4 * 230)
    assert found.mean_w == pytest.approx(1820 / 10) and found.seconds == 10.0
    assert found.j_per_output_token == pytest.approx(1820 / 380)
    assert found.output_tok_s_per_w == pytest.approx(380 / 10 / 182)
    assert (found.resolution_s, found.utilisation_percent) == (pytest.approx(0.1), 50.0)
    assert found.temperature_max_c == 190 and found.readings == 102


def test_a_wave_is_integrated_within_what_the_resolution_allows():
    series = sampled(lambda t: 200 + 50 * math.sin(t), every=0.05)
    truth = 200 * 9.03 + 50 * (math.cos(1.01) - math.cos(10.04))
    assert series.energy([(1.01, 10.04)], 1).joules == pytest.approx(truth, rel=1e-3)


@given(
    st.lists(st.floats(0.05, 2.0), min_size=20, max_size=60), st.floats(10.0, 700.0), st.floats(0, 0.2), st.floats(0, 1)
)
def test_a_constant_power_gives_power_times_time_at_any_distances(gaps, watts, start, length):
    series = Series()
    for index in range(len(gaps) + 1):
        series.add(sum(gaps[:index]), Reading(watts=watts))
    begin = start * sum(gaps)
    span = (begin, begin + 0.1 + length * (sum(gaps) - begin - 0.1))
    found = series.energy([span], 10)
    if found.joules is not None:
        assert found.joules == pytest.approx(watts * (span[1] - span[0]), rel=1e-6)
    else:
        assert "are needed" in found.joules_why or "cover" in found.joules_why


def test_a_counter_is_read_as_energy_and_needs_no_power():
    series = Series()
    for step in range(101):
        series.add(step * 0.1, Reading(joules=5000 + 30 * step * 0.1))
    found = series.energy([(1.0, 9.0)], 0)
    assert found.joules == pytest.approx(240) and found.mean_w == pytest.approx(30)
    assert found.j_per_output_token_why == "no token was generated"
    assert found.temperature_max_c is None and found.temperature_max_c_why


@pytest.mark.parametrize(
    ("spans", "why"),
    [
        ([(1.0, 1.4)], "0.4 s in all, a reading every 0.1 s: 0.5 s are needed"),
        ([(i + 0.1, i + 0.15) for i in range(20)] * 2, "no reading belongs to one part"),
        ([(15.0, 25.0)], "do not cover"),
        ([], "fewer than two"),
    ],
)
def test_a_load_that_is_short_beside_the_readings_has_no_figure(spans, why):
    found = sampled(lambda t: 100.0).energy(spans, 10)
    assert found.joules is None and why in found.joules_why
    assert found.j_per_output_token_why == found.output_tok_s_per_w_why == found.mean_w_why == found.joules_why


# ---------------------------------------------------------------- sources


@pytest.mark.parametrize(
    ("table", "visible", "expected"),
    [
        ("910b4-1_25.2.0_host.txt", None, (93.0 + 91.8, 0.0, 39.0)),
        ("910b4-1_25.2.0_host.txt", "1", (91.8, 0.0, 37.0)),
        ("a3_25.5.0_two_chips.txt", None, (172.1 + 188.5, 0.0, 36.0)),
        ("a3_25.5.0_two_chips.txt", "3", (188.5, 0.0, 36.0)),  # the card's power stands beside its first chip
        ("a3_26.0.rc2_wide.txt", "0,1", (162.6, 0.0, 34.0)),
        ("310p3_duo_25.2.0.txt", None, (None, 0.0, 45.0)),  # its table has no power
    ],
)
def test_recorded_tables_give_power_utilisation_and_temperature(table, visible, expected):
    text = (TABLES / table).read_text(encoding="utf-8")
    found = NpuSmiSource(lambda: text, visible).read()
    assert (found.watts, found.utilisation_percent, found.temperature_c) == (
        pytest.approx(expected[0]) if expected[0] else None,
        *expected[1:],
    )


def test_a_table_without_power_has_utilisation_and_the_reason_for_no_energy():
    text = (TABLES / "310p3_duo_25.2.0.txt").read_text(encoding="utf-8")
    series = Series()
    for step in range(50):
        series.add(step * 0.1, NpuSmiSource(lambda: text).read())
    found = series.energy([(0.5, 4.0)], 10)
    assert found.joules is None and found.joules_why == "the device's tool tells no power here"
    assert found.utilisation_percent == 0.0 and found.temperature_max_c == 45.0


def test_npu_smi_that_refuses_is_quoted(monkeypatch):
    text = (TABLES / "container_8020_device_used.txt").read_text(encoding="utf-8")
    monkeypatch.setattr(power_sources, "answer", lambda argv: text)
    assert power_sources.meter("ascend").absent == "npu-smi lists no device"
    good = (TABLES / "910b4-1_25.2.0_host.txt").read_text(encoding="utf-8")
    answers = iter([good, text])
    with pytest.raises(RuntimeError, match="-8020"):
        NpuSmiSource(lambda: next(answers)).read()


def zone(root: Path, name: str, label: str, microjoules: int, turn: int = 1_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for file, value in (("name", label), ("energy_uj", microjoules), ("max_energy_range_uj", turn)):
        (folder / file).write_text(f"{value}\n")
    return folder


def test_rapl_sums_packages_and_memory_and_follows_a_counter_that_starts_again(tmp_path):
    zones = [zone(tmp_path, "intel-rapl:0", "package-0", 999_000), zone(tmp_path, "intel-rapl:1", "package-1", 0)]
    zones.append(zone(tmp_path, "intel-rapl:0:1", "dram", 10))
    zone(tmp_path, "intel-rapl:0:0", "core", 0)  # a part of the package
    zone(tmp_path, "intel-rapl:2", "psys", 0)  # the whole machine
    (tmp_path / "intel-rapl").mkdir()  # the control type itself
    source = RaplSource(tmp_path)
    assert source.name == "RAPL (package-0, dram, package-1)"
    assert source.read().joules == 0
    for folder, value in zip(zones, (4_000, 7_000, 20), strict=True):
        (folder / "energy_uj").write_text(f"{value}\n")
    assert source.read().joules == pytest.approx((1_000_000 - 999_000 + 4_000 + 7_000 + 10) / 1e6)


def test_a_host_without_counters_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(power_sources._SOURCES, "cpu", lambda: RaplSource(tmp_path))
    with power_sources.meter("cpu") as meter:
        pass
    assert meter.absent == f"no energy counter of a processor under {tmp_path}"
    assert power_sources.meter("cpu", wanted=False).absent == "the set reads no power (platform.energy)"


def test_counters_for_root_only_are_named(monkeypatch):
    def refuse():
        raise PermissionError(13, "Permission denied", "/sys/class/powercap/intel-rapl:0/energy_uj")

    monkeypatch.setitem(power_sources._SOURCES, "cpu", refuse)
    assert "energy_uj is readable for root only" in power_sources.meter("cpu").absent


class NVMLError(Exception):
    """As nvidia-ml-py's."""


def nvml(**calls):
    """As much of nvidia-ml-py as is called, under its names and in its units."""
    made = {
        "NVMLError": NVMLError, "NVML_TEMPERATURE_GPU": 0, "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 2_000_000 + handle,
        "nvmlDeviceGetPowerUsage": lambda handle: 350_000 + 1000 * handle,
        "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=90 + handle, memory=10),
        "nvmlDeviceGetTemperature": lambda handle, kind: 60 + handle,
    }  # fmt: skip
    return SimpleNamespace(**(made | calls))


def test_nvml_counts_energy_in_millijoules():
    found = NvmlSource(nvml(), [0, 1])
    assert found.name == "NVML (energy counter of 2 GPUs)"
    assert found.read() == Reading(joules=4000.001, utilisation_percent=90.5, temperature_c=61)


def test_nvml_of_an_older_gpu_gives_power():
    def absent(handle):
        raise NVMLError("Not Supported")

    found = NvmlSource(nvml(nvmlDeviceGetTotalEnergyConsumption=absent), [1])
    assert found.name == "NVML (power of 1 GPU)" and found.read().watts == 351.0


def test_cuda_without_nvml_says_so(monkeypatch):
    monkeypatch.setattr(power_sources.cuda, "devices", lambda: (SimpleNamespace(index=0),))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert power_sources.meter("cuda").absent == "nvidia-ml-py is not installed"
    monkeypatch.setattr(power_sources.cuda, "devices", lambda: ())
    assert power_sources.meter("cuda").absent == "nvidia-smi lists no GPU"


# ---------------------------------------------------------------- the thread


class Simulated:
    """A source whose power is 200 W."""

    name, period_s = "a simulated source", 0.005

    def read(self):
        return Reading(watts=200.0)


def test_a_meter_reads_beside_work_and_covers_it():
    with Meter(Simulated()) as meter:
        begin = time.monotonic()
        time.sleep(0.4)
        end = time.monotonic()
    assert meter.absent is None
    found = meter.series.energy([(begin, end)], 40)
    assert found.joules == pytest.approx(200 * (end - begin))
    assert found.j_per_output_token == pytest.approx(5 * (end - begin))


def test_a_tool_that_stops_answering_ends_the_readings_and_never_the_work():
    class Failing(Simulated):
        asked = 0

        def read(self):
            self.asked += 1
            if self.asked > 4:
                raise RuntimeError("ret is -8020")
            return Reading(watts=1.0)

    with Meter(Failing()) as meter:
        time.sleep(0.1)
    assert len(meter.series.times) == 4 and meter.source.asked <= 8
    assert "-8020" in meter.why
