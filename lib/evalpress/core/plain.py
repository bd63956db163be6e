"""Names for what has no type of its own: JSON of others and options of others."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object where it enters or leaves: a file, an HTTP body, a header, a command's `--json`."""
Options: TypeAlias = dict[str, Any]
"""Keyword arguments of another library."""
