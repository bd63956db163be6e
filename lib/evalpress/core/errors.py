"""Errors that a user can correct: one clear line each, never a traceback."""

from __future__ import annotations


class _OneLine(Exception):
    """Shown by notebooks as its line alone."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UserError(_OneLine):
    """Unusable input. The message is one line: file, key, what was found, what is allowed."""


class MeasurementError(_OneLine):
    """A measurement could not be made or contradicts itself. The message is one line saying why."""
