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
