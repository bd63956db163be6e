"""Signals that end a report, and those that a caller asked to ignore."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_heard: list[int] = []
"""Signals received since `interruptible` began."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP."""


def raise_if_heard() -> None:
    """Raise `Interrupted` where a signal was received and other code caught the first exception.

    A handler's exception is raised wherever the program is; code that runs there may catch it.

    Raises:
        Interrupted: a signal was received since `interruptible` began.
    """
    if _heard:
        raise Interrupted


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into `Interrupted`; later ones do not disturb the clean-up.

    A signal that was ignored when the program started (nohup, a shell's background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _heard.clear()
    listened = [one for one in _ENDING if signal.getsignal(one) is not signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:
        _heard.append(number)
        for one in listened:
            signal.signal(one, signal.SIG_IGN)
        raise Interrupted

    before = {one: signal.signal(one, stop) for one in listened}
    try:
        yield
        raise_if_heard()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
