"""vLLM's log lines are read where the caller's log level hides them, and stay hidden."""

from __future__ import annotations

import logging

import pytest
from evalpress.engine import hidden_log


@pytest.fixture
def quiet():
    """vLLM's logger as VLLM_LOGGING_LEVEL=ERROR leaves it, with a handler that notes what is shown."""
    logger = logging.getLogger("vllm")
    before = (logger.level, logger.propagate, list(logger.handlers))
    shown: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: shown.append(record.getMessage())
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    yield shown
    logger.setLevel(before[0])
    logger.propagate, logger.handlers[:] = before[1], before[2]


def test_log_lines_that_the_caller_hides_are_kept_and_stay_hidden(quiet):
    log = logging.getLogger("vllm.v1.engine")
    with hidden_log.log_kept() as kept:
        log.info("Loading weights took %.1f seconds", 1.5)
        log.error("seen")
    log.info("after")
    assert [text for _, text in kept] == ["Loading weights took 1.5 seconds", "seen"]
    assert kept[0][0] <= kept[1][0]
    assert quiet == ["seen"]


def test_without_vllms_own_configuration_the_callers_handlers_see_what_they_saw(quiet, caplog):
    logger = logging.getLogger("vllm")  # VLLM_CONFIGURE_LOGGING=0: no handler, records go up
    logger.handlers[:] = []
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    with caplog.at_level(logging.WARNING), hidden_log.log_kept() as kept:
        logger.info("a figure")
        logger.warning("a warning")
    assert [text for _, text in kept] == ["a figure", "a warning"]
    assert caplog.messages == ["a warning"]
    assert logger.propagate


def test_nothing_is_kept_twice_where_lines_are_printed_anyway(quiet):
    logging.getLogger("vllm").setLevel(logging.INFO)
    with hidden_log.log_kept() as kept:
        logging.getLogger("vllm").info("printed")
    assert kept == []
    assert quiet == ["printed"]
