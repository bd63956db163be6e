"""The verb npu-smi: the devices of a recorded `npu-smi info`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from evalpress.cli.parse_log import text_of
from evalpress.cli.verb import Verbs, plain
from evalpress.core.errors import UserError

_MOST_MIB = 16  # thousands of tables


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = plain(verbs, "npu-smi", _npu_smi, "the devices of a recorded `npu-smi info`, or why it lists none")
    verb.add_argument("table", type=Path, metavar="FILE", help="what `npu-smi info` printed")
    verb.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _npu_smi(args: argparse.Namespace) -> int:
    """0, 1 where the tool refused or lists no device, 2 where the file is something else."""
    from evalpress.platforms import npu_smi

    found = npu_smi.parse(text_of(args.table, _MOST_MIB))
    if found.broken is not None:
        raise UserError(
            f"{args.table}:{found.broken.number}: found a row that is cut off or lacks its second line, "
            f"allowed whole rows: `npu-smi info > {args.table.name}` writes them"
        )
    if not found.devices and found.version is None and found.refusal is None:
        raise UserError(f"{args.table}: found no table of npu-smi, allowed the output of `npu-smi info`")
    if args.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=1))
    else:
        print(f"npu-smi {found.version or 'of unknown version'}: {len(found.devices)} devices")
        for device in found.devices:
            used = "memory unknown" if device.total_mib is None else f"{device.used_mib} of {device.total_mib} MiB used"
            more = [f"{device.power_w} W" if device.power_w is not None else ""]
            more += [f"{device.temperature_c} °C" if device.temperature_c is not None else ""]
            more += [f"AI cores {device.utilisation_percent} %" if device.utilisation_percent is not None else ""]
            print(f"  {device.index}  {device.name:<12} {device.health:<8} " + ", ".join(filter(None, [used, *more])))
        if found.refusal:
            print(f"  {found.refusal}: {npu_smi.remedy(found.refusal)}")
    return 0 if found.devices else 1
