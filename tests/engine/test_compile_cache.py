"""What a start did with the compile cache: told by the log or by torch's counters, never by files alone."""

from __future__ import annotations

import pytest
from evalpress.engine.compile_cache import NOTHING_SAVED, UNKNOWN, Counters, use
from evalpress.engine.startup import AGAIN, EMPTY, PARTLY, USED

COMPILED = (0.0, "INFO [backends.py:389] Compiling a graph for compile range (1, 8192) takes 8.10 s")
SAVED = (0.0, "INFO [backends.py:376] Cache the graph of compile range (1, 8192) for later use")
LOADED = (0.0, "INFO [backends.py:296] Directly load the compiled graph(s) for compile range (1, 8192) from the cache")
AOT = (0.0, "INFO [decorators.py:320] Directly load AOT compilation from path /x/model")
REJECTED = (0.0, "WARNING Compiling model again due to a load failure from /x/model, reason: no attribute 'f'")


@pytest.mark.parametrize(
    ("lines", "counted", "new_files", "again", "words", "compiled"),
    [
        ([COMPILED, SAVED], None, True, False, EMPTY, True),
        ([COMPILED], None, True, False, NOTHING_SAVED, True),  # vLLM-Ascend 0.18: files, and no line that one was saved
        ([COMPILED], None, True, True, AGAIN, True),
        ([COMPILED, SAVED], None, False, False, AGAIN, True),
        ([LOADED], None, False, False, USED, False),
        ([AOT, LOADED], None, True, True, USED, False),
        ([LOADED, COMPILED], None, True, False, PARTLY, True),
        ([], Counters(3, 0), False, True, USED, False),  # torch's own cache, of which vLLM's log says nothing
        ([], Counters(0, 3), True, False, EMPTY, True),
        ([], Counters(0, 3), False, True, AGAIN, True),
        ([], Counters(2, 1), True, False, PARTLY, True),
        ([], None, False, False, UNKNOWN, False),
        ([], None, True, True, AGAIN, True),
    ],
)
def test_what_a_start_did(lines, counted, new_files, again, words, compiled):
    found = use(lines, counted, new_files=new_files, again=again)
    assert (found.words, found.compiled) == (words, compiled)


def test_a_cache_that_vllm_rejects_is_told():
    found = use([REJECTED], Counters(9, 0), new_files=False, again=False)
    assert "could not load it and compiled again (no attribute 'f')" in found.words and found.compiled
