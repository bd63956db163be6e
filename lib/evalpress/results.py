"""Results files: versioned JSON, validated, written atomically.

Every file is `{"schema", "created", "provenance", "params", "data"}`; numbers are JSON numbers, a value
that could not be measured is `null` beside a `<key>_why`, and NaN or infinity never pass.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalpress.errors import MeasurementError, UserError
from evalpress.paths import shown

Document = dict[str, Any]
VERSION = 1
REQUIRED = {
    "setup": ("model", "adaptation", "environment", "version_check", "runbook"),
    "benchmark": ("modes", "comparison", "break_even"),
    "serving": ("levels", "rates"),
    "evidence": ("cases", "determinism"),
    "alignment": ("reference", "candidates"),
    "quality": ("cases", "by_category"),
}


def now() -> str:
    """This moment as ISO-8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(
    path: Path, section: str, data: dict[str, Any], params: dict[str, Any], provenance: dict[str, Any]
) -> Document:
    """Validate and write one section's results; returns the document as written.

    Raises:
        MeasurementError: a required key is missing, a number is not finite, or a null has no `_why`.
    """
    missing = [key for key in REQUIRED.get(section, ()) if key not in data]
    if missing:
        raise MeasurementError(f"{section}: results lack {', '.join(missing)}")
    check_values(data, section)
    document = {
        "schema": f"evalpress/{section}/{VERSION}",
        "created": now(),
        "provenance": provenance,
        "params": params,
        "data": data,
    }
    write_json(path, document)
    return document


def check_values(value: Any, at: str) -> None:
    """Refuse numbers that are not finite and nulls that do not say why (in mappings)."""
    if isinstance(value, dict):
        for key, item in value.items():
            if item is None and f"{key}_why" not in value:
                raise MeasurementError(f"{at}.{key}: is null without {key}_why")
            check_values(item, f"{at}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_values(item, f"{at}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise MeasurementError(f"{at}: {value} is not a finite number")


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the whole new one, never a part."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text atomically (temporary file in the same folder, then rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: Path, section: str) -> Document:
    """Read and validate one section's results.

    Raises:
        UserError: missing, not JSON, of another section or a version that this suite does not know.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{shown(path)}: file not found") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(path)}: not readable as JSON: {error}") from None
    wanted = f"evalpress/{section}/{VERSION}"
    found = document.get("schema") if isinstance(document, dict) else None
    if found != wanted:
        raise UserError(f"{shown(path)}: schema: found {found!r}, allowed {wanted!r}")
    missing = [key for key in ("created", "provenance", "params", "data") if key not in document]
    if missing:
        raise UserError(f"{shown(path)}: keys missing: {', '.join(missing)}")
    return document
