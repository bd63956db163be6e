"""Parts of this section that `run.budget_minutes` may leave out as a whole, and the reason that is then given."""

from __future__ import annotations

from evalpress.sections.job import Job

COLD, WARM = "further cold starts", "further warm starts"
SEARCH = "the search for the highest rate that keeps the SLO"
_BUDGET = "left out to keep to run.budget_minutes"


def why(job: Job, parts: tuple[str, ...], not_asked: str) -> str:
    """Why none of these parts was measured: the budget left them out, or else `not_asked`."""
    return _BUDGET if any(said.endswith(parts) for said in job.left_out) else not_asked
