"""Executing notebooks: one shared kernel, atomic outputs, logs, failures. Knows nothing of what they measure."""

from __future__ import annotations

import sys

# jsonschema, which nbformat imports, loads this optional package for a check of international URLs that no
# notebook asks for; importing it compiles a grammar for two seconds. None makes that import fail, as if absent.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
