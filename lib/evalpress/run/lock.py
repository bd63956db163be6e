"""One report of a set at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.paths import shown


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the report folder's `.lock`; the system frees it when this process ends, however it ends.

    Raises:
        UserError: another process holds it; the message names its pid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise UserError(
                f"{shown(folder)}: another evalpress is at work on this report (pid {owner}); wait for it or stop it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
