"""Ascend NPUs, their driver and CANN, read from `npu-smi info` and the files of the installation.

This process never initialises an NPU: that takes memory away from the engine, and torch_npu refuses to work in what
such a process forks. Where npu-smi is missing, torch_npu is asked in a separate process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from evalpress.core.units import MIB
from evalpress.platforms import child, npu_smi
from evalpress.platforms.device import Device, visible
from evalpress.platforms.shell import answer

DRIVER_INFO = Path("/usr/local/Ascend/driver/version.info")
TOOLKIT_HOMES = (Path("/usr/local/Ascend/ascend-toolkit/latest"), Path("/usr/local/Ascend/cann"))


def parse_devices(text: str, driver: str | None = None) -> tuple[Device, ...]:
    """The chips in the output of `npu-smi info`."""
    return tuple(
        Device(
            index=found.index,
            name=found.name,
            memory_total=None if found.total_mib is None else found.total_mib * MIB,
            memory_free=None
            if found.total_mib is None or found.used_mib is None
            else (found.total_mib - found.used_mib) * MIB,
            driver=driver,
        )
        for found in npu_smi.parse(text).devices
    )


def parse_smi_version(text: str) -> str | None:
    """The version in the first line of `npu-smi info` (the tool ships with the driver)."""
    return npu_smi.parse(text).version


def parse_driver(text: str) -> str | None:
    """The release in the driver's version.info: `package_version`, in older files `Version`."""
    for key in ("package_version", "Version"):
        if found := re.search(rf"^{key}=(\S+)", text, re.MULTILINE):
            return found[1]
    return None


def parse_cann(text: str) -> str | None:
    """The toolkit's release in `ascend_toolkit_install.info` or `version.cfg`.

    `version.cfg` writes `toolkit_running_version=[7.6.0.1.220:8.0.0]` and, where several were installed in
    turn, one bracket each with the newest last.
    """
    if found := re.search(r"^version=(\S+)", text, re.MULTILINE):
        return found[1]
    for key in ("toolkit_running_version", "toolkit_installed_version"):
        if found := re.search(rf"^{key}=.*\[[^\]:]+:([^\]]+)\]\s*$", text, re.MULTILINE):
            return found[1]
    return None


def _toolkit_homes() -> Iterable[Path]:
    for key in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH"):
        if os.environ.get(key):
            yield Path(os.environ[key])
    yield from TOOLKIT_HOMES


def cann_version(homes: Iterable[Path] | None = None) -> str | None:
    """CANN's release, None where no toolkit is installed."""
    for home in _toolkit_homes() if homes is None else homes:
        for path in (*sorted(home.glob("*-linux/ascend_toolkit_install.info")), home / "version.cfg"):
            if path.is_file() and (found := parse_cann(path.read_text(errors="replace"))):
                return found
    return None


def driver_version(smi: str | None = None) -> str | None:
    """The driver's release from its version file, else the version that npu-smi itself states."""
    found = parse_driver(DRIVER_INFO.read_text(errors="replace")) if DRIVER_INFO.is_file() else None
    return found or parse_smi_version(smi or "")


def _from_torch(driver: str | None) -> tuple[Device, ...]:
    """The NPUs that torch_npu lists, for containers that lack npu-smi: read in a separate process, which ends.

    A process that has initialised an NPU keeps memory on it, and what it forks cannot use the device.
    """
    if find_spec("torch_npu") is None or not any(Path("/dev").glob("davinci[0-9]*")):
        return ()
    return tuple(
        Device(index, row["name"], row["total"], row["free"], driver) for index, row in enumerate(child.devices("npu"))
    )


def refusal() -> str | None:
    """Why npu-smi lists no device, in its own last line."""
    return npu_smi.parse(answer(("npu-smi", "info")) or "").refusal


def devices() -> tuple[Device, ...]:
    """The NPU chips that this process may use (ASCEND_RT_VISIBLE_DEVICES), as npu-smi lists them; empty for none."""
    smi = answer(("npu-smi", "info")) or ""
    driver = driver_version(smi)
    found = parse_devices(smi, driver)
    return visible(found, os.environ.get("ASCEND_RT_VISIBLE_DEVICES") or None) if found else _from_torch(driver)
