"""Ascend NPUs, their driver and CANN, read from `npu-smi info` and the files of the installation.

torch_npu is imported only where npu-smi is missing: initialising an NPU takes memory away from the engine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from evalpress.core.units import MIB
from evalpress.platforms.device import Device
from evalpress.platforms.shell import output

DRIVER_INFO = Path("/usr/local/Ascend/driver/version.info")
TOOLKIT_HOMES = (Path("/usr/local/Ascend/ascend-toolkit/latest"), Path("/usr/local/Ascend/cann"))

# Two rows per chip: `| 2     Ascend910 | OK           | 176.3  36  0 / 0       |` gives card and name,
#                    `| 0     4         | 0000:95:00.0 | 0  0 / 0  3411 / 65536 |` bus and memory.
# The chip row's second number is the device number; older tools leave it out, and the card's number is it.
_NAME_ROW = re.compile(r"^\|\s*(\d+)\s+([^\s|]+)\s*\|\s*[A-Za-z]\S*\s*\|")
_BUS = r"(?:NA|[0-9A-Fa-f]{4,8}:[0-9A-Fa-f:.]+)"
_CHIP_ROW = re.compile(rf"^\|\s*(\d+)(?:\s+(\d+))?\s*\|\s*{_BUS}\s*\|(.*)\|\s*$")
_USAGE = re.compile(r"(\d+)\s*/\s*(\d+)")


def _memory(usage: str) -> tuple[int | None, int | None]:
    """Total and free bytes in a chip row's usage cell.

    The last `used / total` is the HBM. Where that total is 0 (cards without HBM, such as the 310P), the pair
    before it is the memory. What the tool calls MB is MiB.
    """
    pairs = [(int(used), int(total)) for used, total in _USAGE.findall(usage)]
    used, total = next((pair for pair in reversed(pairs) if pair[1] > 0), (0, 0))
    return (total * MIB, (total - used) * MIB) if total else (None, None)


def parse_devices(text: str, driver: str | None = None) -> tuple[Device, ...]:
    """The chips in the output of `npu-smi info`: each name row is followed by its chip row."""
    devices: list[Device] = []
    named: tuple[int, str] | None = None
    for line in text.splitlines():
        if "Process id" in line:
            break
        if chip := _CHIP_ROW.match(line):
            if named is None:
                continue
            total, free = _memory(chip[3])
            index = int(chip[2]) if chip[2] else named[0]
            devices.append(Device(index, named[1], total, free, driver))
            named = None
        elif name := _NAME_ROW.match(line):
            named = (int(name[1]), name[2])
    return tuple(devices)


def parse_smi_version(text: str) -> str | None:
    """The version in the first line of `npu-smi info` (the tool ships with the driver)."""
    found = re.search(r"npu-smi\s+\S+\s+Version:\s*(\S+)", text)
    return found[1] if found else None


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
    """The NPUs that torch_npu sees, without their memory: for containers that lack npu-smi."""
    if find_spec("torch_npu") is None or not any(Path("/dev").glob("davinci[0-9]*")):
        return ()
    torch = import_module("torch")
    import_module("torch_npu")
    names = [torch.npu.get_device_name(index) for index in range(torch.npu.device_count())]
    return tuple(Device(index, name, driver=driver) for index, name in enumerate(names))


def devices() -> tuple[Device, ...]:
    """The NPU chips of this host, as npu-smi lists them; empty where there is none."""
    smi = output(("npu-smi", "info")) or ""
    driver = driver_version(smi)
    return parse_devices(smi, driver) or _from_torch(driver)
