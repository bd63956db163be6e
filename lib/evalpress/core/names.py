"""Names of sets: they name folders of reports, in any script."""

from __future__ import annotations

import unicodedata

_LONGEST = 120
"""Bytes: file systems allow 255, and names of files are made of it."""
_RESERVED = ("published", "base", "compare")


def refused(name: str) -> str | None:
    """Why `name` cannot name a set, as `allowed …`; None for a good name."""
    if not name or name.startswith((".", "-", " ")) or name.endswith((" ", ".")):
        return "allowed a name that neither begins with a dot, a dash or a blank nor ends with a dot or a blank"
    if any(letter in "/\\" or unicodedata.category(letter)[0] == "C" for letter in name):
        return "allowed a name without slashes and control characters"
    if name.lower() in _RESERVED:
        return f"allowed any other name than {', '.join(_RESERVED)}"
    return f"allowed at most {_LONGEST} bytes" if len(name.encode("utf-8", "replace")) > _LONGEST else None
