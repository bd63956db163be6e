"""The verb parse-log: the start-up phases and the memory that a vLLM or vLLM-Ascend log holds."""

from __future__ import annotations

import argparse
import codecs
import json
from pathlib import Path
from typing import TYPE_CHECKING

from evalpress.cli.verb import Verbs, plain
from evalpress.core.errors import UserError

if TYPE_CHECKING:
    from evalpress.engine.start_log import StartLog

_HELP = "start-up phases and memory that the log of a vLLM or vLLM-Ascend start holds, also of one started elsewhere"

_HEAD = 4096
_BINARY = "found a binary file, allowed the text that the program printed"


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = plain(verbs, "parse-log", _parse_log, _HELP)
    verb.add_argument("log", type=Path, metavar="FILE", help="the log; its lines may begin with seconds and a tab")
    verb.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def text_of(path: Path, most_mib: int = 256) -> str:
    """A text file that a user names, even with control bytes of a terminal in it; UTF-8, or UTF-16 with its mark.

    Raises:
        UserError: it is missing, a folder, not readable, larger than `most_mib` or not text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell's `>` writes
            if b"\0" in head and not wide:
                raise UserError(f"{path}: {_BINARY}")
            raw = head + file.read((most_mib << 20) - len(head) + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: file not found") from None
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror}") from None
    if len(raw) > most_mib << 20:
        raise UserError(f"{path}: found more than {most_mib} MiB, allowed the part with what is asked for")
    if b"\0" in raw and not wide:
        raise UserError(f"{path}: {_BINARY}")
    return raw.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def _parse_log(args: argparse.Namespace) -> int:
    """0, or 2 where the file holds no start."""
    from evalpress.engine import start_log

    found = start_log.parse(text_of(args.log))
    if not found.found:
        raise UserError(f"{args.log}: found no line of a vLLM start, allowed the log of an engine or a server")
    if args.json:
        # Grouped as in results/benchmark.json, and flat for a quick look-up of one key.
        groups = {"startup": found.startup, "memory": found.memory, "compilation": found.compilation}
        flat = found.startup | found.memory | found.compilation
        head = {"vllm_version": found.vllm_version, "starts": found.starts, "clock": found.clock}
        print(json.dumps(head | groups | flat, ensure_ascii=False, indent=1))
    else:
        _say(found)
    return 0


def _say(found: StartLog) -> None:
    version = f"vLLM {found.vllm_version}" if found.vllm_version else "a vLLM of unknown version"
    several = f", the last of {found.starts} starts" if found.starts > 1 else ""
    print(f"{version}{several}; times: {found.clock or 'none in this log'}")
    for block in (found.startup, found.compilation, found.memory):
        for key, value in block.items():
            if key.endswith(("_why", "_note")):
                continue
            note = block.get(f"{key}_note")
            told = f"n/a ({block.get(f'{key}_why')})" if value is None else f"{value}" + (f" ({note})" if note else "")
            print(f"  {key:<20} {told}")
