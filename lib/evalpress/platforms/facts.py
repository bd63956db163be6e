"""The facts of a host and its devices as a report keeps them."""

from __future__ import annotations

from pydantic import Field

from evalpress.core.results import Model

_WHY_NOT = "Why there is none."


class DeviceRow(Model):
    """One accelerator chip."""

    index: int
    name: str
    memory_total_gib: float | None = Field(description="GiB, as the driver's tool gives it.")
    memory_total_gib_why: str | None = None
    memory_free_gib: float | None = Field(description="GiB free when the host was asked.")
    memory_free_gib_why: str | None = None


class DeviceTable(Model):
    """The devices that this process may use; on a CPU the processor, with the memory of the host."""

    name: str
    count: int
    memory_total_gib: float | None = Field(description="GiB of one device.")
    memory_total_gib_why: str | None = None
    memory_free_gib: float | None = Field(description="GiB free on it when the host was asked.")
    memory_free_gib_why: str | None = None
    driver_version: str | None
    driver_version_why: str | None = None
    cann_version: str | None
    cann_version_why: str | None = None
    dtypes: tuple[str, ...] = Field(description="Engine dtypes of the device, best first.")
    devices: tuple[DeviceRow, ...]


class HostFacts(Model):
    """Processor, memory, system and compiler."""

    cpu_model: str
    cpu_cores: int | None
    cpu_cores_why: str | None = None
    cpu_cores_usable: int = Field(description="Cores that this process may run on (affinity and control group).")
    cpu_features: tuple[str, ...] = Field(description="Instruction sets that decide how fast products are.")
    ram_total_gib: float
    ram_available_gib: float
    ram_limit_gib: float | None = Field(description="The container's limit, GiB.")
    ram_limit_gib_why: str | None = None
    os: str
    kernel: str
    architecture: str
    python: str
    python_implementation: str
    compiler: str | None = Field(description="First line of the C++ compiler's version.")
    compiler_why: str | None = None


class Preloaded(Model):
    """An allocator or OpenMP runtime of this process."""

    library: str
    source: str
    active: bool = Field(description="Whether the process really has it mapped.")


class Probe(Model):
    """What a report says of the place where it was made."""

    backend: str
    device: DeviceTable
    host: HostFacts
    environment: dict[str, str] = Field(description="The variables that matter and are set.")
    preloaded: tuple[Preloaded, ...]
