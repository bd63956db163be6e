"""vLLM's log lines where the caller's log level hides them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator


class _Keeper(logging.Handler):
    """Keeps vLLM's records, and passes on to the caller's handlers those of the caller's log level."""

    def __init__(self, onward: logging.Logger | None, shown: int) -> None:
        super().__init__()
        self.kept: list[tuple[float, str]] = []
        self._onward, self._shown = onward, shown

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append((time.monotonic(), record.getMessage()))
        if self._onward is not None and record.levelno >= self._shown:
            self._onward.callHandlers(record)


@contextlib.contextmanager
def log_kept() -> Iterator[list[tuple[float, str]]]:
    """vLLM's log lines of this process for the length of a `with` block where the caller's log level hides them.

    VLLM_LOGGING_LEVEL and VLLM_CONFIGURE_LOGGING decide what is printed; start-up figures are in lines of level
    INFO. The list stays empty where those are printed anyway. What is shown stays as it was.
    """
    logger = logging.getLogger("vllm")
    if logger.isEnabledFor(logging.INFO):
        yield []
        return
    own, shown, propagate = logger.level, logger.getEffectiveLevel(), logger.propagate
    keeper = _Keeper(logger.parent if propagate else None, shown)
    quiet = [(handler, handler.level) for handler in logger.handlers]
    for handler, level in quiet:
        handler.setLevel(max(level, shown))
    logger.addHandler(keeper)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    try:
        yield keeper.kept
    finally:
        logger.setLevel(own)
        logger.propagate = propagate
        logger.removeHandler(keeper)
        for handler, level in quiet:
            handler.setLevel(level)
