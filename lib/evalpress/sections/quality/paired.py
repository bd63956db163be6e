"""Two runs on the same cases, paired: McNemar's exact test on the cases that exactly one of them got right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from evalpress.core import paths, stats
from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.core.results import nulls
from evalpress.sections import job
from evalpress.sections.job import read_results
from evalpress.sections.quality import noninferiority
from evalpress.sections.quality.results import Changed, Comparison, JudgedCase, OtherRun, PairedOutcomes

Outcomes = Mapping[str, bool]
"""Case or item -> whether it was right."""
_TESTED = tuple(one.name for one in fields(noninferiority.Difference))


def compare(
    cases: Sequence[JudgedCase], standard: Mapping[str, Outcomes] | None, other: str, margin: float = 0.05
) -> Comparison:
    """This run and another report's, pair by pair.

    Args:
        cases: this run's judged cases.
        standard: what `outcomes` gives for this run.
        other: another report's `results/quality.json`.
        margin: the loss of accuracy that is still acceptable, a share.

    Raises:
        UserError: the other file is no quality result.
    """
    path = paths.resolve(other)
    document = read_results(path, "quality")
    theirs = document.data.cases
    rows = [_row("quality cases", _decided(cases, theirs), _decided(theirs, cases), margin)]
    for task, ours in (standard or {}).items():
        rows.append(_row(f"task {task}", ours, _items(path).get(task, {}), margin))
    model = document.params.get("model", {}).get("path", "unknown")
    return Comparison(other=OtherRun(path=paths.shown(path), created=document.created, model=model), rows=rows)


def _items(path: Path) -> dict[str, Outcomes]:
    """The other report's standard tasks, item by item; empty where it has none."""
    try:
        return outcomes(job.read_raw(path.parents[1], "quality", "lm_eval"))
    except UserError:
        return {}


def outcomes(kept: Json) -> dict[str, Outcomes]:
    """Task -> item -> right or wrong, of what `results/raw/quality-lm_eval.json` holds.

    An item is named by the harness's digest of its content, so that only equal items are paired.
    """
    found: dict[str, Outcomes] = {}
    for task, samples in kept["result"]["samples"].items():
        metric = next((m for m in ("acc", "exact_match") if samples and m in samples[0]), None)
        if metric is not None:
            found[task] = {f"{one['doc_id']}-{one['doc_hash']}": bool(one[metric]) for one in samples}
    return found


def _decided(cases: Sequence[JudgedCase], others: Sequence[JudgedCase]) -> Outcomes:
    """Cases with a verdict that ask in the other run the same by the same rule."""
    same = {(one.id, one.prompt, one.rule) for one in others}
    return {
        one.id: one.verdict == "pass"
        for one in cases
        if one.verdict in ("pass", "fail") and (one.id, one.prompt, one.rule) in same
    }


def _row(what: str, ours: Outcomes, theirs: Outcomes, margin: float) -> PairedOutcomes:
    """Counts of the four outcomes over the pairs, the exact p value, and the difference compared with the margin."""
    pairs = sorted(ours.keys() & theirs.keys())
    only_ours = [name for name in pairs if ours[name] and not theirs[name]]
    only_theirs = [name for name in pairs if theirs[name] and not ours[name]]
    both = sum(ours[name] and theirs[name] for name in pairs)
    neither = sum(not ours[name] and not theirs[name] for name in pairs)
    if pairs:
        difference = asdict(noninferiority.compare(both, len(only_ours), len(only_theirs), neither, margin))
        tested = difference | {"p_value": stats.mcnemar_exact(len(only_ours), len(only_theirs))}
    else:
        tested = nulls((*_TESTED, "p_value"), "the two runs have no case in common")
    return PairedOutcomes(
        what=what,
        n=len(pairs),
        left_out=len(ours.keys() | theirs.keys()) - len(pairs),
        both=both,
        only_this=len(only_ours),
        only_other=len(only_theirs),
        neither=neither,
        changed=Changed(only_this=only_ours, only_other=only_theirs),
        margin=margin,
        **tested,
    )
