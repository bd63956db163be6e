"""CUDA devices as `nvidia-smi` lists them (no torch, no CUDA context)."""

from __future__ import annotations

import csv
import os

from evalpress.core.units import MIB
from evalpress.platforms.device import Device, visible
from evalpress.platforms.shell import output

FIELDS = ("index", "name", "driver_version", "memory.total", "memory.free", "compute_cap")
QUERY = ("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _bytes(text: str) -> int | None:
    mib = _number(text)
    return None if mib is None else int(mib * MIB)


def parse(text: str) -> tuple[Device, ...]:
    """The devices in the output of QUERY; memory there is MiB, and unknown values read `[N/A]`."""
    devices = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) != len(FIELDS) or not row[0].strip().isdigit():
            continue
        index, name, driver, total, free, capability = (cell.strip() for cell in row)
        devices.append(Device(int(index), name, _bytes(total), _bytes(free), driver, _number(capability)))
    return tuple(devices)


def devices() -> tuple[Device, ...]:
    """The CUDA devices that this process may use (CUDA_VISIBLE_DEVICES); empty where there is no driver."""
    return visible(parse(output(QUERY) or ""), os.environ.get("CUDA_VISIBLE_DEVICES"))
