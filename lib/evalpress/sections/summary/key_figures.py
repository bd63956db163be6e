"""The key figures of correctness and serving, beside the headline's figures of speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalpress.sections.summary.conclusion import Data, load_within_slo
from evalpress.sections.summary.results import KeyFigure


def figures(data: Data) -> list[KeyFigure]:
    """Agreement, quality and load within the SLO, each where its section measured it."""
    made = {"alignment": _agreement, "quality": _quality, "serving": _serving}
    return [figure for name, make in made.items() if name in data for figure in make(data[name])]


def _agreement(data: Mapping[str, Any]) -> Iterator[KeyFigure]:
    name = next((n for n in ("vllm_compiled", "vllm_eager") if n in data["candidates"]), None)
    found = data["candidates"][name] if name else {}
    if name and found.get("cosine_similarity") is not None:
        noise = found.get("noise_ratio")
        detail = name.removeprefix("vllm_") + ("" if noise is None else f", {noise:.2f} × the noise of the data type")
        label = "agreement with float32, cosine"
        yield KeyFigure(
            label=label, value=found["cosine_similarity"], unit="cosine", detail=detail, section="alignment"
        )


def _quality(data: Mapping[str, Any]) -> Iterator[KeyFigure]:
    verdicts = [case["verdict"] for case in data["cases"]]
    passed, decided = verdicts.count("pass"), verdicts.count("pass") + verdicts.count("fail")
    if decided:
        detail = f"{passed} of {decided} decided, {len(verdicts)} asked"
        yield KeyFigure(
            label="quality cases passed", value=passed / decided, unit="share", detail=detail, section="quality"
        )


def _serving(data: Mapping[str, Any]) -> Iterator[KeyFigure]:
    found = load_within_slo(data)
    if found is not None and found.kept is not None:
        detail = f"{found.mode}, " + ("the highest measured" if found.broken is None else f"not at {found.broken:,.1f}")
        yield KeyFigure(label="load within the SLO", value=found.kept, unit="req/s", detail=detail, section="serving")
