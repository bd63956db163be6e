"""Where the numbers come from: times, versions, environment variables."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from evalpress.display.tables import Missing, Prose
from evalpress.sections.summary import origin_tables

START, END = "2026-11-25T20:24:19Z", "2026-11-25T20:24:28Z"


@pytest.fixture
def job():
    origins = {
        "setup": {"start": START, "end": END, "steps_s": {"a": 9.2, "b": 0.2}, "environment": {"A": "1"}},
        "benchmark": {"start": START, "end": END, "environment": {"A": "1", "B": "spawn"}},
        "quality": {"start": START, "end": END, "environment": {"A": "2", "B": "spawn"}},
    }
    documents = {name: SimpleNamespace(provenance=origin) for name, origin in origins.items()}
    return SimpleNamespace(result=documents.get, documents=documents)


def test_a_section_took_at_least_as_long_as_its_steps(job):
    heads = [column.title for column in origin_tables.provenance(job).heads]
    assert [row[heads.index("took")] for row in origin_tables.provenance(job).rows] == [10, 9, 9]


def test_what_else_the_processors_did_is_shown_beside_a_section(job):
    shares = {"busy_share": 0.97, "own_share": 0.5, "steal_share": 0.02}
    job.documents["quality"].provenance["processors"] = shares
    table = origin_tables.provenance(job)
    heads = [column.title for column in table.heads]
    first = heads.index("processors busy")
    assert table.rows[2][first : first + 3] == [0.97, 0.5, 0.02]
    assert isinstance(table.rows[0][first], Missing)


def test_variables_of_later_sections_stand_beside_those_of_the_setup(job):
    page = origin_tables.environment(job).markdown()
    assert "`B=spawn` (Benchmark and Quality)" in page and "`A=2` (Quality)" in page and "A=1" not in page


def test_no_steps_make_no_table(job):
    assert origin_tables.times(job).rows[0][1] == "a"
    job.documents["setup"].provenance["steps_s"] = None
    assert isinstance(origin_tables.times(job), Prose) and not origin_tables.times(job).source
