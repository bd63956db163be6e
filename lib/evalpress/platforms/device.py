"""One accelerator as its driver describes it."""

from __future__ import annotations

from dataclasses import dataclass

from evalpress.core.units import GIB
from evalpress.platforms.facts import DeviceRow


@dataclass(frozen=True)
class Device:
    """An accelerator chip; sizes in bytes, None where the driver's tool did not tell them.

    `capability` is CUDA's compute capability (8.0 for an A100), None elsewhere.
    """

    index: int
    name: str
    memory_total: int | None = None
    memory_free: int | None = None
    driver: str | None = None
    capability: float | None = None

    def row(self) -> DeviceRow:
        """The device as a report keeps it, sizes in GiB."""
        why = "the driver's tool did not tell"
        return DeviceRow(
            index=self.index,
            name=self.name,
            memory_total_gib=_gib(self.memory_total),
            memory_total_gib_why=why if self.memory_total is None else None,
            memory_free_gib=_gib(self.memory_free),
            memory_free_gib_why=why if self.memory_free is None else None,
        )


def _gib(size: int | None) -> float | None:
    return None if size is None else round(size / GIB, 3)


def visible(devices: tuple[Device, ...], variable: str | None) -> tuple[Device, ...]:
    """Those that ASCEND_RT_VISIBLE_DEVICES or CUDA_VISIBLE_DEVICES leave, in their order.

    Args:
        devices: all that the driver's tool lists.
        variable: the variable's value, None where it is not set. Numbers end at the first that no device has, as the
            runtimes do it; names (CUDA's GPU-…) are left to the runtime: then all devices are listed.
    """
    if variable is None:
        return devices
    wanted = [part.strip() for part in variable.split(",") if part.strip()]
    if not all(part.lstrip("-").isdigit() for part in wanted):
        return devices
    known = {device.index: device for device in devices}
    chosen = []
    for part in wanted:
        if int(part) not in known:
            break
        chosen.append(known[int(part)])
    return tuple(chosen)
