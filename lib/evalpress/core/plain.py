"""Names for mappings whose keys no type declares."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON or YAML mapping where it enters or leaves: a file, an HTTP body, a header, a message, `--json`."""
Options: TypeAlias = dict[str, Any]
"""Keyword arguments of another library."""
Fields: TypeAlias = dict[str, Any]
"""Fields of a results model by names made at run time, for `Model(**fields)`, which refuses unknown ones."""
