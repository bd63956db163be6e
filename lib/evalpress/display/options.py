"""Options for users of a notebook. A report is made with the defaults."""

from __future__ import annotations

frames = False
"""Whether every table is followed by its DataFrame: `options.frames = True`."""
