"""The shipped reports in Chinese: what is left in English is code, names and what a model said."""

from __future__ import annotations

import ast
import json
import re
import shutil

import pytest
from evalpress.core.paths import NOTEBOOKS, ROOT
from evalpress.display import figure_style, language

pytestmark = pytest.mark.slow

PUBLISHED = ROOT / "reports" / "published"
QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|`[^`]*`|\([^()]*[=_][^()]*\)|\(#[^)]*\)")
WORD = re.compile(r"(?<![\w./=@:-])[a-z][a-z']+(?![\w/=@(-])")
NAMES = frozenset(
    re.findall(
        r"\w+",
        "ms tok req id ids top vllm torch transformers softmax logits logit nats goodput worker rank prefill decode "
        "cpu gpu npu http curl git json sha utc head temperature seed wheel kernel arg max norm teacher forcing "
        "throughput harness block sdpa token bash python find wc grep awk sed chmod ls base chat instruct bench "
        "startup",
    )
)
"""Names and the field's words that stay in Chinese texts."""
LEFT = 2
"""Texts of a report in which English is left, at most: words of a model's answer in the reason of a verdict."""


class Recorder:
    """The catalogue, which remembers what it translated."""

    def __init__(self, known):
        self.known, self.told = known, {}

    def text(self, source):
        self.told[source] = made = self.known.text(source)
        return made


def shown(name, reports):
    """What the last line of every cell of every notebook shows, of stored results."""
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        if path.stem.startswith("95"):
            continue
        space = {}
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            source = "".join(cell["source"])
            if "parameters" in cell["metadata"].get("tags", ()):
                source += f"\nset_name, reports_dir, measure = {name!r}, {str(reports)!r}, 'never'"
            program = ast.parse(source)
            last = program.body.pop() if isinstance(program.body[-1], ast.Expr) else None
            exec(compile(program, path.name, "exec"), space)
            if last is not None:
                yield eval(compile(ast.Expression(last.value), path.name, "eval"), space)


def english(text):
    """The words of running English in a text: no names, no code, nothing quoted."""
    return [word for word in WORD.findall(QUOTED.sub(" ", text)) if word not in NAMES]


@pytest.mark.parametrize("name", ["demo"])
def test_hardly_an_english_sentence_is_left(name, tmp_path, monkeypatch):
    shutil.copytree(PUBLISHED / name / "results", tmp_path / name / "results")
    archive = tmp_path / name / "results" / "raw.zip"
    if archive.is_file():
        shutil.unpack_archive(archive, archive.parent)
    recorder = Recorder(language._catalogue("zh"))
    monkeypatch.setattr(language, "_catalogue", lambda _: recorder)
    monkeypatch.setattr(figure_style, "to_svg", lambda *_: "<svg></svg>")
    for output in shown(name, tmp_path):
        if hasattr(output, "_repr_mimebundle_"):
            output._repr_mimebundle_()
    assert len(recorder.told) > 1000
    left = {source: made for source, made in recorder.told.items() if len(english(made)) > 2}
    assert len(left) <= LEFT, "\n".join(f"{source}\n    {made}" for source, made in left.items())
