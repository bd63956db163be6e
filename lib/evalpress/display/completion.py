"""What a notebook's tab key offers after `tables.` and `figures.`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable


def own_functions(module: str) -> Callable[[], list[str]]:
    """A module's `__dir__`: the public functions that it defines, and nothing that it imports."""

    def names() -> list[str]:
        found = sorted(vars(sys.modules[module]).items())
        return [
            name
            for name, one in found
            if inspect.isfunction(one) and one.__module__ == module and not name.startswith("_")
        ]

    return names
