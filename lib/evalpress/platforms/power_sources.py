"""Where power is read: npu-smi (Ascend), NVML (CUDA), the RAPL counters under /sys/class/powercap (CPU)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evalpress.platforms import cuda, npu_smi
from evalpress.platforms.device import Device, visible
from evalpress.platforms.power import Meter, Reading, Source
from evalpress.platforms.shell import answer

POWERCAP = Path("/sys/class/powercap")
_OFF = "the set reads no power (platform.energy)"


class NpuSmiSource:
    """`npu-smi info`, run repeatedly: power of the cards that hold the visible chips, AI cores' utilisation."""

    period_s = 0.5

    def __init__(self, text: Callable[[], str], variable: str | None = None) -> None:
        self._text, self._variable = text, variable
        chosen, cards = self._chosen(npu_smi.parse(text()))
        if not chosen:
            raise RuntimeError("npu-smi lists no device")
        self.name = f"npu-smi ({len(cards)} {'card' if len(cards) == 1 else 'cards'}, {len(chosen)} of its chips used)"

    def _chosen(self, table: npu_smi.NpuSmi) -> tuple[list[npu_smi.NpuDevice], set[int]]:
        """The chips that this process may use, and the cards that they are on."""
        left = {one.index for one in visible(tuple(Device(d.index, d.name) for d in table.devices), self._variable)}
        chosen = [one for one in table.devices if one.index in left]
        return chosen, {one.card for one in chosen}

    def read(self) -> Reading:
        """Power of the cards; for a card with two chips the tool prints that of both together beside the first chip."""
        table = npu_smi.parse(self._text())
        chosen, cards = self._chosen(table)
        if not chosen:
            raise RuntimeError(table.refusal or "npu-smi listed no device")
        powers = [one.power_w for one in table.devices if one.card in cards and one.power_w is not None]
        used = [one.utilisation_percent for one in chosen if one.utilisation_percent is not None]
        heat = [one.temperature_c for one in chosen if one.temperature_c is not None]
        return Reading(
            watts=sum(powers) if len(powers) >= len(cards) else None,
            utilisation_percent=sum(used) / len(used) if used else None,
            temperature_c=max(heat, default=None),
        )


class NvmlSource:
    """NVML, through nvidia-ml-py: the energy counter where the device has one (Volta and later), else its power."""

    period_s = 0.1

    def __init__(self, nvml: Any, indices: Sequence[int]) -> None:
        self._nvml = nvml
        try:
            nvml.nvmlInit()
            self._handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in indices]
            self._counts = self._has_counter()
        except nvml.NVMLError as error:
            raise RuntimeError(str(error)) from None
        what = "energy counter" if self._counts else "power"
        self.name = f"NVML ({what} of {len(self._handles)} {'GPU' if len(self._handles) == 1 else 'GPUs'})"

    def _has_counter(self) -> bool:
        try:
            return all(self._nvml.nvmlDeviceGetTotalEnergyConsumption(one) > 0 for one in self._handles)
        except self._nvml.NVMLError:
            return False

    def read(self) -> Reading:
        """The GPUs together; NVML gives millijoules and milliwatts."""
        nvml, devices = self._nvml, self._handles
        try:
            used = [float(nvml.nvmlDeviceGetUtilizationRates(one).gpu) for one in devices]
            heat = [float(nvml.nvmlDeviceGetTemperature(one, nvml.NVML_TEMPERATURE_GPU)) for one in devices]
            if self._counts:
                power = {"joules": sum(nvml.nvmlDeviceGetTotalEnergyConsumption(one) for one in devices) / 1e3}
            else:
                power = {"watts": sum(nvml.nvmlDeviceGetPowerUsage(one) for one in devices) / 1e3}
        except nvml.NVMLError as error:
            raise RuntimeError(str(error)) from None
        return Reading(**power, utilisation_percent=sum(used) / len(used), temperature_c=max(heat))


class RaplSource:
    """Energy counters of the processor's packages and their memory, which the kernel lists as powercap zones."""

    period_s = 0.1

    def __init__(self, root: Path = POWERCAP) -> None:
        self._zones = [zone for zone in sorted(root.glob("*rapl:*")) if _counted(zone)]
        if not self._zones:
            raise RuntimeError(f"no energy counter of a processor under {root}")
        self._turn = [_number(zone / "max_energy_range_uj") for zone in self._zones]
        self._last = [_number(zone / "energy_uj") for zone in self._zones]
        self._total = 0
        self.name = f"RAPL ({', '.join(_text(zone / 'name') for zone in self._zones)})"

    def read(self) -> Reading:
        """Joules since the source was made; a counter that starts again at 0 is followed."""
        now = [_number(zone / "energy_uj") for zone in self._zones]
        steps = zip(now, self._last, self._turn, strict=True)
        self._total += sum(
            value - before if value >= before else value - before + turn for value, before, turn in steps
        )
        self._last = now
        return Reading(joules=self._total / 1e6)


def _counted(zone: Path) -> bool:
    """Packages and their memory; psys and the parts of a package would be counted twice."""
    name = _text(zone / "name") if (zone / "name").is_file() else ""
    return name.startswith("package") or name == "dram"


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip()


def _number(path: Path) -> int:
    return int(_text(path))


def _npu() -> Source:
    variable = os.environ.get("ASCEND_RT_VISIBLE_DEVICES") or None
    return NpuSmiSource(lambda: answer(("npu-smi", "info")) or "", variable)


def _gpu() -> Source:
    found = cuda.devices()
    if not found:
        raise RuntimeError("nvidia-smi lists no GPU")
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        raise RuntimeError("nvidia-ml-py is not installed") from None
    return NvmlSource(nvml, [one.index for one in found])


_SOURCES: dict[str, Callable[[], Source]] = {"ascend": _npu, "cuda": _gpu, "cpu": RaplSource}


def meter(backend: str, *, wanted: bool = True) -> Meter:
    """A meter of the platform's power; where it cannot be read, a meter without readings and with the reason.

    Args:
        backend: cpu, cuda or ascend.
        wanted: whether the set wants it.
    """
    if not wanted:
        return Meter(None, _OFF)
    try:
        return Meter(_SOURCES[backend]())
    except PermissionError as error:
        return Meter(None, f"{error.filename} is readable for root only: chmod a+r it, or run as root")
    except (OSError, ValueError, RuntimeError) as error:
        return Meter(None, str(error))
