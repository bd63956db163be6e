"""Errors that a user can mend: one clear line each, never a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Unusable input. The message is one line: file, key, what was found, what is allowed."""


class MeasurementError(Exception):
    """A measurement could not be made or contradicts itself. The message is one line saying why."""
