"""The key figures of correctness and serving, beside the headline's figures of speed."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.quality.results import Results as Quality
from evalpress.sections.serving.results import Results as Serving
from evalpress.sections.summary.conclusion import Load, load_within_slo
from evalpress.sections.summary.measured import Measured, judged_runs
from evalpress.sections.summary.results import KeyFigure


def figures(data: Measured) -> list[KeyFigure]:
    """Agreement, quality and load within the SLO, each where its section measured it."""
    found: list[KeyFigure] = []
    if "alignment" in data:
        found += _agreement(data["alignment"])
    if "quality" in data:
        found += _quality(data["quality"])
    if "serving" in data:
        found += _serving(data["serving"])
    return found


def _agreement(data: Alignment) -> Iterator[KeyFigure]:
    for name, mode in judged_runs(data):
        run = data.candidates[name]
        if run.cosine_similarity is not None:
            noise = "" if run.noise_ratio is None else f", {run.noise_ratio:.2f} × the noise of the data type"
            label = "agreement with float32, cosine"
            yield KeyFigure(
                label=label, value=run.cosine_similarity, unit="cosine", detail=mode + noise, section="alignment"
            )


def _quality(data: Quality) -> Iterator[KeyFigure]:
    verdicts = [case.verdict for case in data.cases]
    passed, decided = verdicts.count("pass"), verdicts.count("pass") + verdicts.count("fail")
    if decided:
        detail = f"{passed} of {decided} decided, {len(verdicts)} asked"
        if cut := verdicts.count("cut"):
            detail += f", {100 * passed / (decided + cut):.1f} % if the {cut} cut count as failed"
        yield KeyFigure(
            label="quality cases passed", value=passed / decided, unit="share", detail=detail, section="quality"
        )


def _serving(data: Serving) -> Iterator[KeyFigure]:
    found = load_within_slo(data)
    if found is not None and found.kept is not None:
        unit = "req/s" if found.unit == "requests per second" else "at a time"
        yield KeyFigure(
            label="load within the SLO", value=found.kept, unit=unit, detail=_until(found), section="serving"
        )


def _until(found: Load) -> str:
    if found.open is not None:
        return f"{found.mode}, not shown at {found.open[0]:.3g}"
    return f"{found.mode}, " + ("the highest measured" if found.broken is None else f"not at {found.broken:.3g}")
