"""Execute one notebook so that it is either completely done or has a reason why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers

from evalpress.core import secrets
from evalpress.core.paths import shown
from evalpress.core.results import write_text
from evalpress.run.client import SILENT
from evalpress.run.kernel import SharedKernel
from evalpress.run.terminal import Watch

_GRACE_S = 10
_REASON_LENGTH = 400
_OWN_ERRORS = ("UserError", "MeasurementError")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
papermill.execute.logger.parent = SILENT


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any],
    kernel: SharedKernel,
    timeout_s: float,
    watch: Watch,
    goes_on: Callable[[], bool],
    after_cell: Callable[[], None],
) -> str | None:
    """Run `source` on the kernel and write it to `target`.

    `target` holds the cells executed so far; only None as the return value makes it a finished notebook.

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
            goes_on=goes_on,
            after_cell=after_cell,
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
    except OSError as error:
        return f"the executed notebook cannot be written: {error.strerror or error}"
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
    text = secrets.scrub(" ".join(_ANSI.sub("", message).split()))
    if name == "SystemExit":
        return f"a cell ended the notebook (sys.exit({text}))"
    if name not in _OWN_ERRORS:
        text = f"{name}: {text}" if text else name
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 1] + "…"


def stamp(
    node: NotebookNode, notebook: Path, executed: Path, digest: str, section: str, not_shown: str | None = None
) -> None:
    """Write an executed notebook, marked as made from what `digest` represents, without paths or secrets of this host.

    Args:
        notebook: its source.
        not_shown: why some of its tables or figures are missing; such a notebook is executed again by the next run.

    Raises:
        MeasurementError: it cannot be written.
    """
    node = remove_error_markers(node)
    mark = {"section": section, "status": "done" if not_shown is None else "partial", "digest": digest}
    node.metadata["evalpress"] = mark if not_shown is None else mark | {"why": not_shown}
    node.metadata.get("papermill", {}).update(input_path=shown(notebook), output_path=executed.name)
    write(executed, node)


def read(path: Path) -> NotebookNode | None:
    """The notebook in a file; None where there is none, or only a part of one (disk full)."""
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError, LookupError, AttributeError, nbformat.reader.NotJSONError):
        return None


def write(path: Path, node: NotebookNode) -> None:
    """Write a notebook atomically and without secrets.

    Raises:
        MeasurementError: it cannot be written.
    """
    write_text(path, nbformat.writes(nbformat.from_dict(secrets.scrubbed(node))) + "\n")
