"""papermill's notebook client on a kernel that is already running."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellExecutionError
from papermill.clientwrap import PapermillNotebookClient

from evalpress.core.plain import Json

if TYPE_CHECKING:
    from evalpress.run.kernel import SharedKernel

SILENT = logging.getLogger("evalpress.run.client")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

_WIDGET = "application/vnd.jupyter.widget-view+json"


class ReportClient(PapermillNotebookClient):
    """Attaches to a kernel and keeps widget output out of the notebook."""

    def __init__(
        self,
        manager: Any,
        kernel: SharedKernel,
        goes_on: Callable[[], bool],
        after_cell: Callable[[], None],
        **options: Any,
    ) -> None:
        # nbclient's 4 s for a cell's last output are short on a machine whose cores are all busy.
        super().__init__(manager, km=kernel.manager, log=SILENT, iopub_timeout=60, **options)
        self.kc = kernel.client
        self._goes_on, self._after_cell = goes_on, after_cell

    def papermill_execute_cells(self) -> None:
        """Execute the cells; after an error go on while `goes_on()`: measured results are there, a table is missing."""
        for index, cell in enumerate(self.nb.cells):
            try:
                self.nb_man.cell_start(cell, index)
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                if not self._goes_on():
                    return
            finally:
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
            self._after_cell()

    def output(self, outs: list[Any], msg: Json, display_id: str, cell_index: int) -> Any:
        """Drop progress bars drawn as widgets: they need a front end and a live kernel."""
        if _WIDGET in msg["content"].get("data", {}):
            return None
        return super().output(outs, msg, display_id, cell_index)
