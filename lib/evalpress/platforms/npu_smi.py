"""What `npu-smi info` prints: devices, memory, power, temperature and utilisation, or why it lists none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalpress.core.plain import Json
from evalpress.platforms.unwrap import Line, unwrapped

# Two rows per chip: `| 2     Ascend910 | OK           | 176.3  36  0 / 0       |` gives card, name, power and heat,
#                    `| 0     4         | 0000:95:00.0 | 0  0 / 0  3411 / 65536 |` bus, utilisation and memory.
# The chip row's second number is the device number; older tools leave it out, and the card's number is it.
_NAME_ROW = re.compile(r"^\|\s*(\d+)\s+([^\s|]+)\s*\|\s*([A-Za-z]\S*)\s*\|(.*)\|\s*$")
_BUS = r"(?:N/?A|[0-9A-Fa-f]{4,8}:[0-9A-Fa-f:.]+)"
_CHIP_ROW = re.compile(rf"^\|\s*(\d+)(?:\s+(\d+))?\s*\|\s*{_BUS}\s*\|(.*)\|\s*$")
_HEADING = re.compile(r"\bnpu-smi\b|\|\s*NPU\s+Name\b")
_NUMBERED = re.compile(r"^\|\s*\d+(?:\s|$)")
_USAGE = re.compile(r"(\d+)\s*/\s*(\d+)")
_REFUSAL = re.compile(r"ret is (-\d+)|^(?:Error|Failed|Unable|dcmi\b).*", re.IGNORECASE | re.MULTILINE)

_REMEDIES = {
    "-8020": "another container or process holds the device; end it, or map another device into this container",
    "-8005": "the device or the driver is not mapped into this container; start it with --device /dev/davinci0 "
    "--device /dev/davinci_manager --device /dev/devmm_svm --device /dev/hisi_hdc and the driver's folders as volumes",
}


@dataclass(frozen=True)
class NpuDevice:
    """One chip. Memory in MiB (what the tool calls MB), power in watts; None where the table has `-` or `NA`.

    `card` is the number that the tool calls NPU. On cards with two chips it prints the card's power beside the first
    chip only.
    """

    card: int
    index: int
    name: str
    health: str
    total_mib: int | None
    used_mib: int | None
    power_w: float | None
    temperature_c: float | None
    utilisation_percent: float | None


@dataclass(frozen=True)
class NpuSmi:
    """A whole table; `refusal` is the tool's own last line where it lists no device.

    `broken` is the first row that is not whole, or has no partner: devices may be missing then.
    """

    version: str | None
    devices: tuple[NpuDevice, ...]
    refusal: str | None
    broken: Line | None = None

    def as_dict(self) -> Json:
        """As JSON: nulls with a reason."""
        out: Json = {"version": self.version, "devices": []}
        for device in self.devices:
            row = {key: getattr(device, key) for key in device.__dataclass_fields__}
            out["devices"].append(row | {f"{k}_why": "the table does not tell" for k, v in row.items() if v is None})
        if self.version is None:
            out["version_why"] = "its heading is not readable" if self.devices else "the text has no table"
        return out if self.refusal is None else out | {"refusal": self.refusal, "remedy": remedy(self.refusal)}


def parse(text: str) -> NpuSmi:
    """The chips in the output of `npu-smi info`: each name row is followed by its chip row."""
    devices: list[NpuDevice] = []
    named: re.Match[str] | None = None
    lines = unwrapped(text)
    broken: list[Line] = []
    began = lines[0] if lines else Line(1, "")
    for at in lines:
        if "Process id" in at.text:
            break
        line = _row(at.text)
        if chip := _CHIP_ROW.match(line):
            if named is not None:
                devices.append(_device(named, chip))
            else:
                broken.append(at)
            named = None
        elif name := _NAME_ROW.match(line):
            if named is not None:
                broken.append(began)
            named, began = name, at
        elif _NUMBERED.match(line):
            broken.append(at)
    if named is not None:
        broken.append(began)
    if not _HEADING.search(text) and not devices:
        broken = []  # another program's table
    version = re.search(r"npu-smi\s+\S+\s+Version:\s*(\S+)", "\n".join(line.text for line in lines))
    refusal = None if devices else _refusal(lines)
    return NpuSmi(version[1] if version else None, tuple(devices), refusal, broken[0] if broken else None)


def _row(line: str) -> str:
    """A line from its frame on: without what a tool or a quotation put before it."""
    before, bar, row = line.strip().partition("|")
    return bar + row.strip() if not row.lstrip().startswith("|") else row.strip()


def _device(name: re.Match[str], chip: re.Match[str]) -> NpuDevice:
    total, used = _memory(chip[3])
    readings = name[4].split()
    utilisation = chip[3].split()
    return NpuDevice(
        card=int(name[1]),
        index=int(chip[2]) if chip[2] else int(name[1]),
        name=name[2],
        health=name[3],
        total_mib=total,
        used_mib=used,
        power_w=_number(readings[0]) if readings else None,
        temperature_c=_number(readings[1]) if len(readings) > 1 else None,
        utilisation_percent=_number(utilisation[0]) if utilisation else None,
    )


def _number(text: str) -> float | None:
    """A reading; the tool writes `-` or `NA` where a chip has none."""
    try:
        return float(text)
    except ValueError:
        return None


def _memory(usage: str) -> tuple[int | None, int | None]:
    """Total and used MiB in a chip row's usage cell.

    The last `used / total` is the HBM. Where that total is 0 (cards without HBM, such as the 310P), the pair
    before it is the memory.
    """
    pairs = [(int(used), int(total)) for used, total in _USAGE.findall(usage)]
    used, total = next((pair for pair in reversed(pairs) if pair[1] > 0), (0, 0))
    return (total, used) if total else (None, None)


def _refusal(lines: list[Line]) -> str | None:
    """The last line that says why there is no table. Lines of the greatest length go on where several have it."""
    texts = [line.text.strip() for line in lines]
    width = max(map(len, texts), default=0)
    broken = sum(len(text) == width for text in texts) > 1
    whole = "".join(text + ("" if broken and len(text) == width else "\n") for text in texts)
    said = [line for line in whole.splitlines() if _REFUSAL.search(line)]
    return said[-1] if said else None


def remedy(refusal: str) -> str:
    """What to do about one of the tool's refusals."""
    return next((words for code, words in _REMEDIES.items() if code in refusal), "see the driver's log")
