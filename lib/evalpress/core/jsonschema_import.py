"""Imported for its effect, before anything imports jsonschema: that import then takes 0.1 s in place of two.

jsonschema loads this optional package for a check of international URLs, which neither notebooks nor quality cases
need; importing it compiles a grammar. None makes that import fail, as if the package were absent.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
