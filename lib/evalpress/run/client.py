"""papermill's notebook client on a kernel that is already there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from papermill.clientwrap import PapermillNotebookClient

if TYPE_CHECKING:
    from evalpress.run.kernel import SharedKernel

SILENT = logging.getLogger("evalpress.run.client")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

_WIDGET = "application/vnd.jupyter.widget-view+json"


class ReportClient(PapermillNotebookClient):
    """Attaches to a kernel and keeps chatter out of the notebook."""

    def __init__(self, manager: Any, kernel: SharedKernel, **options: Any) -> None:
        # nbclient's 4 s for a cell's last output are short on a machine whose cores are all busy.
        super().__init__(manager, km=kernel.manager, log=SILENT, iopub_timeout=60, **options)
        self.kc = kernel.client

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str, cell_index: int) -> Any:
        """Drop progress bars drawn as widgets: they need a front end and a live kernel."""
        if _WIDGET in msg["content"].get("data", {}):
            return None
        return super().output(outs, msg, display_id, cell_index)
