"""What a log says of a failure: the exception that ended the server, not any line with the word «Error»."""

from __future__ import annotations

import pytest
from evalpress.engine import failure

ENGINE_CORE = """\
(APIServer pid=1) INFO 11-25 15:46:25 [launcher.py:195] Route: /error, Error handling
(EngineCore pid=2) ERROR 11-25 15:46:25 [core.py:700] EngineCore failed to start.
(EngineCore pid=2) ERROR 11-25 15:46:25 [core.py:700] Traceback (most recent call last):
(EngineCore pid=2) ERROR 11-25 15:46:25 [core.py:700]   File "x.py", line 1, in f
(APIServer pid=1) INFO 11-25 15:46:25 [x.py:1] between
(EngineCore pid=2) ERROR 11-25 15:46:25 [core.py:700] ValueError: No available memory for the cache blocks.
(EngineCore pid=2) Process EngineCore:
(EngineCore pid=2) Traceback (most recent call last):
(EngineCore pid=2)   File "y"
(EngineCore pid=2) ValueError: No available memory for the cache blocks.
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1)   File "<frozen runpy>", line 198
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
[rank0]: Error lines may come at the end"""
CHAIN = """\
Traceback (most recent call last):
  File "a"
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
OSError: [Errno 98] Address already in use"""
PYDANTIC = """\
Traceback (most recent call last):
  File "a"
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, max_model_len is too large [type=value_error, input_value=A]
    For further information visit"""
COLOURED = """\
\x1b[0;36m(APIServer pid=1)\x1b[0;0m \x1b[32mINFO\x1b[0m \x1b[90m11-25 17:22:34\x1b[0m [a.py:1] Error rate 0
\x1b[0;36m(APIServer pid=1)\x1b[0;0m Traceback (most recent call last):
\x1b[0;36m(APIServer pid=1)\x1b[0;0m   File "a"
\x1b[0;36m(APIServer pid=1)\x1b[0;0m ValueError: unknown quantisation"""
LOGS = {
    COLOURED: "ValueError: unknown quantisation",
    ENGINE_CORE: "ValueError: No available memory for the cache blocks.",
    CHAIN: "OSError: [Errno 98] Address already in use (first cause: KeyError: 'x')",
    PYDANTIC: "max_model_len is too large",
    "usage: x [-h]\napi_server.py: error: unrecognized arguments: --bad": (
        "api_server.py: error: unrecognized arguments: --bad"
    ),
    "INFO 11-25 15:46:25 [a.py:1] fine\nERROR 11-25 15:46:26 [a.py:1] no device": "no device",
    "INFO:     GET /v1/Error\nlast": "its log states no reason; its last line: last",
    "": "it printed nothing",
}


@pytest.mark.parametrize("log", LOGS, ids=range(len(LOGS)))
def test_the_reason_is_the_exception_that_ended_it(log):
    assert failure.reason_in(log.splitlines()) == LOGS[log]


def test_a_log_that_is_gone_is_one_line(tmp_path):
    assert failure.reason(tmp_path / "none.log") == "its log cannot be read"
