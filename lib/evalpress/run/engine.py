"""The papermill engine `evalpress`: execute a notebook on the kernel that a report already has.

papermill loads this module through its entry point while it is itself being imported, so nothing of papermill
may be imported at the top, and the class has papermill's methods without deriving from its base class.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from evalpress.run.kernel import SharedKernel
    from evalpress.run.terminal import Watch


class SharedKernelEngine:
    """Executes on a running kernel and leaves it running."""

    @staticmethod
    def nb_kernel_name(nb: NotebookNode, name: str | None = None) -> str:
        return name or "python3"

    @staticmethod
    def nb_language(nb: NotebookNode, language: str | None = None) -> str:
        return language or "python"

    @staticmethod
    def execute_notebook(
        nb: NotebookNode,
        kernel_name: str,
        *,
        kernel: SharedKernel,
        watch: Watch,
        timeout_s: float,
        goes_on: Callable[[], bool],
        after_cell: Callable[[], None],
        output_path: str | None = None,
        **_: Any,
    ) -> NotebookNode:
        """Execute `nb` and save it to `output_path`, also when a cell fails.

        Args:
            kernel: begun, so alive and with an empty namespace.
            watch: called for each cell.
            timeout_s: for the whole notebook.
            goes_on: asked after a cell with an error: whether the cells after it are executed.
            after_cell: called after each cell, while the kernel waits.

        Raises:
            CellTimeoutError: the notebook takes longer.
            DeadKernelError: the kernel died.
        """
        from papermill.engines import NotebookExecutionManager

        from evalpress.run.client import ReportClient

        end = time.monotonic() + timeout_s

        def left(cell: NotebookNode) -> int:
            return max(1, math.ceil(end - time.monotonic()))  # nbclient takes 0 for "no limit"

        # Without a path papermill saves nothing; twice per cell, while the kernel waits, is what it does with one.
        manager = NotebookExecutionManager(nb, progress_bar=False)
        manager.notebook_start()
        try:
            client = ReportClient(
                manager, kernel, goes_on, after_cell, timeout_func=left, on_cell_start=watch.cell_started
            )
            client.execute()
        except Exception:
            _mark_failed(manager)
            raise
        finally:
            manager.output_path = output_path
            manager.notebook_complete()
        return manager.nb


def _mark_failed(manager: Any) -> None:
    """After the kernel has ended: papermill marks the running cell and all cells after it as completed."""
    started = [
        (i, cell) for i, cell in enumerate(manager.nb.cells) if cell.metadata.papermill["status"] != manager.PENDING
    ]
    if started:
        index, cell = started[-1]
        manager.cell_exception(cell, cell_index=index)
