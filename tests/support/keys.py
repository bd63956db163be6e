"""The key paths of a results file, with names that a set chooses replaced: what the contract promises to keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_CHOSEN = (
    (r"modes\.\w+", "modes.<mode>"),
    (r"workloads\.\w+", "workloads.<workload>"),
    (r"^comparison\.\w+\.\w+", "comparison.<workload>.<metric>"),
    (r"^comparison\.\w+", "comparison.<workload>"),
    (r"identical_tokens\.\w+", "identical_tokens.<workload>"),
    (r"candidates\.\w+", "candidates.<candidate>"),
    (r"by_category\.\w+", "by_category.<category>"),
    (r"(last_tokens|first_tokens|servers)\.\w+", r"\1.<name>"),
)
_FREE = ("variables", "checker_args", "files", "env", "stored_dtypes", "sampling", "effect", "raw", "slo_ms", "host")
"""Mappings whose keys are names from elsewhere."""


def paths(value: Any, at: str = "") -> Iterator[str]:
    """Every key path, lists as `[]`, reasons (`_why`) left out, since they stand only where a value is null."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key.endswith("_why"):
                continue
            path = f"{at}.{key}".lstrip(".")
            yield path
            if key not in _FREE:
                yield from paths(item, path)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{at}[]")


def named(value: Any) -> set[str]:
    """`paths` with the names that a set chooses replaced."""
    found = set()
    for path in paths(value):
        for pattern, name in _CHOSEN:
            path = re.sub(pattern, name, path)
        found.add(path)
    return found
