"""Questions that initialise a device, asked in a process that ends.

A process that has initialised an NPU or a GPU keeps memory on it and cannot hand the device to what it forks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

TIMEOUT_S = 180.0

_DEVICES = """
import importlib, json, sys
kind = sys.argv[1]
import torch
if kind == "npu":
    importlib.import_module("torch_npu")
device = getattr(torch, kind)
rows = []
for index in range(device.device_count()):
    try:
        free, total = device.mem_get_info(index)
    except Exception:
        free = total = None
    rows.append({"name": device.get_device_name(index), "total": total, "free": free})
print("\\n" + json.dumps(rows))
"""


def devices(kind: str) -> list[dict[str, Any]]:
    """Name, total and free bytes of the devices that torch sees under `torch.<kind>`; empty where it sees none."""
    argv = [sys.executable, "-c", _DEVICES, kind]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=True)
        rows: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return []
    return rows
