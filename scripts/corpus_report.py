"""Write docs/quality-rules.md: how far the quality rules agree with a person's verdicts on outputs of real models.

    python scripts/corpus_report.py [FOLDER]

Without FOLDER the corpus of the tests is read and the page is written; with one, the tables are printed only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from evalpress.core.paths import ROOT
from evalpress.sections.quality import agreement
from evalpress.sections.quality.agreement import Judged
from evalpress.sections.quality.cases import load_cases
from evalpress.sections.quality.elsewhere import default_files

CORPUS = ROOT / "tests" / "data" / "quality_corpus"
PAGE = ROOT / "docs" / "quality-rules.md"
_FOUND = ("pass", "fail", "cut", "needs_review", "error")
_HEAD = """\
# How far the quality rules agree with a reader

Made by `python scripts/corpus_report.py` from `tests/data/quality_corpus/`: outputs of real models, each with a
verdict that was decided by reading the output, and the reason in a few words.

How an output is labelled: **pass** when the answer is right and does what was asked (language, number of items or
lines, a summary shorter than its text); correct additional text is allowed. **fail** when it is wrong, does
something else, or is no text. **cut** when it ends at its limit before the answer can be judged. For a
base model only the answer counts, without the text after it.

*False pass*: the rule passes what the reader does not. *False fail*: the rule fails what the reader passes. What the
rules leave to a person (`needs_review`) is neither. Shares are of all outputs of the row, with 95 % Wilson intervals.
Rules were changed after looking at disagreements in the part `tuned` only.

How independent the part `held` is: one person wrote the rules and the labels, and read every output while labelling.
After a look at the held outputs of one run, one rule was changed and that one output was moved to `tuned`; left in
place, `held` would have had 3 false passes. Half of `held` are short answers of a base model, most of them easy
failures. Outputs of a second real model are the check that is still missing.
"""


def rows(groups: Iterable[tuple[str, Sequence[Judged]]]) -> list[str]:
    """One line of a Markdown table for each group that is not empty."""
    lines = ["| group | outputs | agree | left to a person | false pass | false fail |", "|---|--:|--:|--:|--:|--:|"]
    for name, judged in groups:
        if not judged:
            continue
        one = agreement.summarise(name, judged)
        shares = [f"{count} ({_share(one.share(count))})" for count in (one.false_pass, one.false_fail)]
        lines.append(f"| {name} | {one.n} | {one.agree} | {one.undecided} | {shares[0]} | {shares[1]} |")
    return lines


def _share(values: tuple[float, float, float]) -> str:
    share, low, high = values
    return f"{share:.1%}; {low:.1%} to {high:.1%}"


def confusion(judged: Sequence[Judged]) -> list[str]:
    """The confusion table as Markdown."""
    table = agreement.confusion(judged)
    lines = ["| reader \\ rule | " + " | ".join(_FOUND) + " |", "|---|" + "--:|" * len(_FOUND)]
    return lines + [f"| {label} | " + " | ".join(str(row[f]) for f in _FOUND) + " |" for label, row in table.items()]


def grouped(judged: Sequence[Judged], by: str) -> list[tuple[str, list[Judged]]]:
    """The outputs by a field of `Judged` or of the labelled output."""
    names = sorted({str(getattr(one, by, None) or getattr(one.one, by)) for one in judged})
    return [(n, [one for one in judged if str(getattr(one, by, None) or getattr(one.one, by)) == n]) for n in names]


def page(judged: Sequence[Judged]) -> str:
    """The whole page."""
    held = [one for one in judged if one.one.half == "held"]
    parts = [_HEAD, "## All and by half", *rows([("all", judged), *grouped(judged, "half")]), ""]
    parts += ["## Confusion, half `held`", *confusion(held), "", "## Confusion, all", *confusion(judged), ""]
    for title, by in (("category", "category"), ("checker", "checker"), ("model", "model"), ("kind of model", "kind")):
        parts += [f"## By {title}, all", *rows(grouped(judged, by)), ""]
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> int:
    """Entry point."""
    labelled = agreement.load(Path(arguments[0]) if arguments else CORPUS)
    judged = agreement.judge(labelled, load_cases(default_files()))
    text = page(judged)
    if arguments:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}: {len(judged)} outputs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
