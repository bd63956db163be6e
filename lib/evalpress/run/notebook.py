"""Execute one notebook so that it is either wholly done or has a reason why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from evalpress.core.paths import shown
from evalpress.run.client import SILENT
from evalpress.run.kernel import SharedKernel
from evalpress.run.terminal import Watch

_GRACE_S = 10
_REASON_LENGTH = 400
_OWN_ERRORS = ("UserError", "MeasurementError")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
papermill.execute.logger.parent = SILENT


def execute(
    source: Path, target: Path, parameters: Mapping[str, Any], kernel: SharedKernel, timeout_s: float, watch: Watch
) -> str | None:
    """Run `source` on the kernel and write it to `target`.

    `target` holds whatever was reached; only None as the return value makes it a finished notebook.

    Returns:
        None when every cell was executed, else the reason in one line. A kernel that cannot be trusted any
        more is ended.
    """
    try:
        papermill.execute_notebook(
            str(source).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            str(target).replace("{", "{{").replace("}", "}}"),
            parameters=dict(parameters),
            engine_name="evalpress",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            kernel=kernel,
            watch=watch,
            timeout_s=timeout_s,
        )
    except PapermillExecutionError as error:
        return reason(error.ename, error.evalue)
    except CellTimeoutError:
        # A chance to stop servers in `finally`; an engine interrupted in a step is of no use to later notebooks.
        kernel.interrupt(_GRACE_S)
        kernel.discard()
        return f"took longer than run.timeout_s = {timeout_s:g} s"
    except DeadKernelError:
        why = kernel.death()
        kernel.discard()
        return why
    return unfinished(target)


def unfinished(notebook: Path) -> str | None:
    """Why a notebook that papermill calls executed is not: there, `sys.exit(0)` with cells pending is a success."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                return reason(output.ename, output.evalue)
        if cell.metadata.get("papermill", {}).get("status") != "completed":
            return "not all cells were executed"
    return None


def reason(name: str, message: str) -> str:
    """An exception as one line: our own errors are written to be read, of others the type matters too."""
    text = " ".join(_ANSI.sub("", message).split())
    if name == "SystemExit":
        return f"a cell ended the notebook (sys.exit({text}))"
    if name not in _OWN_ERRORS:
        text = f"{name}: {text}" if text else name
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 1] + "…"


def stamp(executed: Path, notebook: Path, digest: str, section: str) -> None:
    """Mark an executed notebook as finished, made from what `digest` stands for, without this machine's paths."""
    node = nbformat.read(executed, as_version=4)
    node.metadata["evalpress"] = {"section": section, "status": "done", "digest": digest}
    node.metadata.get("papermill", {}).update(input_path=shown(notebook), output_path=executed.name)
    nbformat.write(node, executed)
