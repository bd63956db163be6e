"""Where a parameter was stated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evalpress.core.paths import told


@dataclass(frozen=True)
class Place:
    """A line of a params file; without a file: an override, whose text is in `given`."""

    file: Path | None
    line: int = 1
    given: str = ""

    def __str__(self) -> str:
        return self.given if self.file is None else f"{told(self.file)}:{self.line}"
