"""The walks of docs/how-it-works.md from a printed number to what was observed: short, and true of the code."""

from __future__ import annotations

import re

import pytest
from evalpress.core.paths import ROOT

PAGE = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
PART = PAGE.split("## From a printed number to what was observed\n")[1].split("\n## ")[0]
WALKS = [part for part in re.split(r"\n(?=\*\*)", PART) if part.startswith("**")]
STEP = re.compile(r"^\d+\. `([\w/.]+)`(?: \(([^)]*)\))?:(.*)", re.MULTILINE)


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.split("**")[1])
def test_a_walk_has_at_most_five_files_and_names_what_is_there(walk: str) -> None:
    steps = STEP.findall(walk)
    assert 2 < len(steps) <= 5 and steps[0][0].startswith("notebooks/") and "results/raw/" in walk
    for name, defined, words in steps:
        source = (ROOT / name).read_text(encoding="utf-8")
        named = re.findall(r"`(\w+)`", defined)
        assert bool(named) is name.endswith(".py")
        for one in named:
            assert re.search(rf"^\s*(def|class) {one}\b|^{one}\b.* = ", source, re.MULTILINE), f"{name}: {one}"
        if not named:
            (cell,) = re.findall(r"`([\w.]+\(result\))`", words)
            assert f'"{cell}"' in source


def test_there_is_a_walk_for_a_latency_a_cosine_and_a_verdict() -> None:
    assert [next(word for word in ("TTFT", "cosine", "verdict") if word in walk) for walk in WALKS] == [
        "TTFT",
        "cosine",
        "verdict",
    ]


def test_each_file_of_a_walk_is_reached_from_the_one_before_it() -> None:
    for walk in WALKS:
        names = [name for name, *_ in STEP.findall(walk)]
        for before, after in zip(names, names[1:], strict=False):
            text = (ROOT / before).read_text(encoding="utf-8")
            stem = after.rsplit("/", 1)[1].removesuffix(".py")
            assert re.search(rf"\b({stem}|{after.split('/')[-2]})\b", text), f"{before} does not name {after}"
