"""One sentence on what a user may rely on, from the determinism checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalpress.sections.evidence.results import Check

_SAME = {
    "same_engine_again": "when asked again",
    "batch_of_all": "in a batch",
    "shuffled_batch": "in a batch of any order",
    "seeded_sampling": "when drawn with the same seed",
    "offline_against_server": "over HTTP",
    "server_under_load": "from a busy server",
    "vllm_against_transformers": "in transformers",
    "compiled_against_eager": "in both modes",
    "prefix_cache": "with the prefix cache",
    "new_engine": "from a new engine",
    "tensor_parallel": "on one rank",
}
_AS_IN, _IN_PLACE = "in {0} mode as in {1}", "{0} mode in place of {1}"
_CHANGES = {
    "same_engine_again": "asking again",
    "batch_of_all": "batching",
    "shuffled_batch": "another order of the batch",
    "seeded_sampling": "drawing again with the same seed",
    "offline_against_server": "the server",
    "server_under_load": "load on the server",
    "vllm_against_transformers": "transformers",
    "compiled_against_eager": "the other mode",
    "prefix_cache": "the prefix cache",
    "new_engine": "a new engine",
    "tensor_parallel": "another number of ranks",
}


def sentence(rows: Sequence[Check]) -> str:
    """For instance: identical when asked again and over HTTP; batching changes 5 of 10 answers, each at a near tie."""
    measured = [row for row in rows if row.identical is not None and row.of]
    longest = max((row.output_tokens or 0 for row in measured), default=0)
    same = [_same(row, longest) for row in measured if row.identical == row.of]
    parts = [f"identical {listed(same)}"] if same else []
    parts += [_changed(row) for row in measured if row.identical != row.of]
    missing = [_words(row.rung, _CHANGES, _IN_PLACE) for row in rows if row.identical is None]
    if missing:
        parts.append(f"not measured: {', '.join(missing)}")
    text = "; ".join(parts) or "nothing was measured"
    return f"{text[0].upper()}{text[1:]}."


def _same(row: Check, longest: int) -> str:
    """What changes nothing; with the length of the outputs where other checks have longer ones."""
    words = _words(row.rung, _SAME, _AS_IN)
    return f"{words} (first {row.output_tokens} tokens)" if row.output_tokens and row.output_tokens < longest else words


def _words(rung: str, known: Mapping[str, str], modes: str) -> str:
    """A check in words; of two modes, `modes` with their names."""
    pair = rung.split("_against_")
    return known.get(rung) or (modes.format(*pair) if len(pair) == 2 else rung)


def _changed(row: Check) -> str:
    differing = (row.of or 0) - (row.identical or 0)
    said = f"{_words(row.rung, _CHANGES, '{0} mode in place of {1}')} changes {differing} of {row.of} answers"
    if row.unexplained is None:
        return f"{said}, without a verdict on why"
    if row.unexplained == 0:
        return f"{said}, {'each ' if differing > 1 else ''}at a near tie"
    return f"{said}, {row.unexplained} of them beyond what rounding explains"


def listed(items: Sequence[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
