"""One measurement of a report at a time: a lock file that the system releases when its owner ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.paths import shown

MARKER = "EVALPRESS_REPORT"
"""Names the report's folder in every process that `evalpress report` starts: that command holds the lock for them."""


def is_held_for_this_process(folder: Path) -> bool:
    """Whether this process works for an `evalpress report` of this folder, which holds the lock."""
    return os.environ.get(MARKER) == str(folder)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the report folder's `.lock`.

    Raises:
        UserError: another process holds it (the message names its pid), or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{shown(folder)}: cannot be written ({error.strerror}); choose another folder with --reports-dir"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise UserError(
                f"{shown(folder)}: another evalpress is at work on this report (pid {owner}); wait for it or stop it"
            ) from None
        try:
            with contextlib.suppress(OSError):  # a full disk has no room for the number
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # explicit: a forked child may still have the file open
