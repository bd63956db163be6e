"""Every notebook in JupyterLab, driven in a real browser: run top to bottom on stored results, with overrides."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import pytest
from commands import START
from evalpress.core.paths import NOTEBOOKS, ROOT
from playwright_page import started

pytestmark = pytest.mark.slow
SHOWS = re.compile(r"(?!feature_)\w*(tables|figures?)\.\w+\(")
"""Cells that always show something; optional parts of the benchmark show nothing where a set does not ask for them."""
STEMS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
GIVEN = """
reports_dir = {reports!r}
measure = "never"
overrides = {{"engine.max_num_seqs": 48, "serving.repeats": 2}}
"""
RUN = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
  return panel.content.widgets.map(widget => widget.model.toJSON());
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab in a copy of the notebooks, whose parameters name the published results."""
    where = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "reports" / "published" / "demo" / "results", where / "reports" / "demo" / "results")
    (where / "notebooks").mkdir()
    for stem in STEMS:
        notebook = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", []):
                cell.source += GIVEN.format(reports=str(where / "reports"))
            cell.source = cell.source.replace("options.frames = False", "options.frames = True")
        nbformat.write(notebook, where / "notebooks" / f"{stem}.ipynb")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=t", "--LabApp.expose_app_in_browser=True"]
    command += [f"--ServerApp.root_dir={where / 'notebooks'}", "--LabApp.news_url=None"]
    own = {f"JUPYTER_{name}_DIR": str(where / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    server = subprocess.Popen(
        command, env=START | own, cwd=where, stdout=(where / "log").open("w"), stderr=subprocess.STDOUT
    )
    try:
        yield _address(where / "runtime", server), where
    finally:
        server.terminate()
        server.wait(timeout=30)


def _address(runtime, server) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        for note in runtime.glob("jpserver-*.json"):
            if text := note.read_text():
                return str(json.loads(text)["url"])
        time.sleep(0.2)
    raise TimeoutError("JupyterLab did not start")


@pytest.fixture(scope="module")
def page(lab):
    with started() as browser:
        context = browser.new_context(viewport={"width": 1300, "height": 900})
        yield context.new_page()


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_runs_from_top_to_bottom(lab, page, stem):
    url, where = lab
    page.goto(f"{url}lab/tree/{stem}.ipynb?token=t&reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function("window.jupyterapp.shell.currentWidget?.content?.widgets?.length > 3")
    cells = page.evaluate(RUN)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    errors = [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert errors == [] and all(cell["execution_count"] for cell in code)
    shown = [cell["outputs"] for cell in code if SHOWS.match(cell["source"])]
    assert all(outputs and outputs[-1]["output_type"] == "execute_result" for outputs in shown)
    assert shown or stem == "95_explore"
    tables = page.locator(".jp-OutputArea .ep-table")
    if stem == "95_explore":
        assert page.locator(".jp-OutputArea img").count() == 1 and page.locator(".dataframe").count() >= 3
    elif tables.count():
        first = tables.first
        assert first.locator("th, td").first.evaluate("node => getComputedStyle(node).textAlign") == "left"
        assert page.locator(".jp-OutputArea table.dataframe").count() >= 1
    if shots := os.environ.get("EVALPRESS_TEST_SHOTS"):
        page.screenshot(path=f"{shots}/lab-{stem}.png")
    page.evaluate("window.jupyterapp.commands.execute('kernelmenu:shutdown')")
