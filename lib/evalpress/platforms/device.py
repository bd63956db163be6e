"""One accelerator as its driver describes it."""

from __future__ import annotations

from dataclasses import dataclass

from evalpress.core.units import GIB


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

    def as_dict(self) -> dict[str, object]:
        """The fields as in the results file."""
        fields: dict[str, object] = {"index": self.index, "name": self.name}
        for key, size in (("memory_total_gib", self.memory_total), ("memory_free_gib", self.memory_free)):
            fields[key] = None if size is None else round(size / GIB, 3)
            if size is None:
                fields[f"{key}_why"] = "the driver's tool did not tell"
        return fields


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
