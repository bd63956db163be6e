"""Work that initialises a device, done in a process that ends.

A process that has initialised an NPU or a GPU keeps memory on it and cannot hand the device to what it forks.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Json

TIMEOUT_S = 180.0
_LIBRARY = Path(__file__).resolve().parents[2]


def call(function: str, *arguments: Any) -> Any:
    """What the function `module:name` returns in a separate process. Arguments and result are JSON values.

    Raises:
        MeasurementError: the process ended without a result, or took longer than `TIMEOUT_S`.
    """
    path = os.pathsep.join(filter(None, [str(_LIBRARY), os.environ.get("PYTHONPATH")]))
    argv = [sys.executable, "-m", __name__, function, json.dumps(arguments)]
    try:
        done = subprocess.run(
            argv,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{function}: no answer from its process within {TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise MeasurementError(f"{function}: its process did not start: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise MeasurementError(said[-1] if said else f"{function}: its process ended with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def devices(kind: str) -> list[Json]:
    """Name, total and free bytes of the devices that torch lists under `torch.<kind>`; empty where it lists none."""
    try:
        found: list[Json] = call(f"{__package__}.child:_devices_here", kind)
    except MeasurementError:
        return []
    return found


def _load_backend(kind: str) -> None:
    """Make `torch.<kind>` known; torch loads installed plugins by itself unless TORCH_DEVICE_BACKEND_AUTOLOAD is 0."""
    import torch

    if not hasattr(torch, kind):
        importlib.import_module(f"torch_{kind}")


def _devices_here(kind: str) -> list[Json]:
    import torch

    device = getattr(torch, kind)
    rows = []
    for index in range(device.device_count()):
        try:
            free, total = device.mem_get_info(index)
        except RuntimeError:
            free = total = None
        rows.append({"name": device.get_device_name(index), "total": total, "free": free})
    return rows


def _main() -> None:
    module, _, name = sys.argv[1].partition(":")
    arguments = json.loads(sys.argv[2])
    if "npu" in arguments:
        _load_backend("npu")
    found = getattr(importlib.import_module(module), name)(*arguments)
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    _main()
