"""Which outputs of a notebook the report trusts.

Our display objects mark what they emit (`metadata.evalpress.kind`); they have escaped everything that is not
theirs. From a marked output the types below pass. From any other output only `text/plain` passes, and the
templates print that as escaped text: what a model wrote can never become HTML or Markdown.
"""

from __future__ import annotations

from typing import Any

import nbformat
from nbformat import NotebookNode

from evalpress.core.plain import Json
from evalpress.display.language import current, translated
from evalpress.display.tables import Code, Verdict, visible

TRUSTED = ("text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain")
_PICTURES = ("image/svg+xml", "image/png")


def accepted(outputs: list[NotebookNode], stem: str) -> list[NotebookNode]:
    """The outputs of one cell that the report shows, as `display_data`; streams are left to the logs.

    Pictures get a file name made of `stem` for the Markdown report.
    """
    shown = [o for o in outputs if o.output_type in ("display_data", "execute_result") and not _for_notebooks(o)]
    found = [_trusted(output, f"{stem}-{index}") for index, output in enumerate(shown, 1)]
    error = error_line(outputs)
    return found if error is None else [*found, _not_drawn(error)]


def _for_notebooks(output: NotebookNode) -> bool:
    """Whether an output is meant for the user of a notebook only."""
    mark = output.get("metadata", {}).get("evalpress")
    return isinstance(mark, dict) and mark.get("kind") == "outlook"


def _not_drawn(error: str) -> NotebookNode:
    """In place of a table or figure whose cell raised an exception."""
    return shown_here(Verdict("failed", "This part could not be shown.", (Code(error),)))


def shown_here(banner: Verdict) -> NotebookNode:
    """A banner of the report's own as an output in the current language."""
    data, metadata = banner._repr_mimebundle_()
    mark = metadata["evalpress"]
    others = mark.pop("languages")
    return nbformat.v4.new_output("display_data", data=others.get(current(), data), metadata=metadata)


def error_line(outputs: list[NotebookNode]) -> str | None:
    """The first error among the outputs as one plain line, or None."""
    for output in outputs:
        if output.output_type == "error":
            message = str(output.get("evalue") or "").strip() or "no message"
            name = str(output.get("ename") or "error")
            first = message.splitlines()[0]
            return visible(first if name in ("UserError", "MeasurementError") else f"{name}: {first}")
    return None


def _trusted(output: NotebookNode, name: str) -> NotebookNode:
    mark = output.get("metadata", {}).get("evalpress")
    data = {kind: _text(value) for kind, value in output.get("data", {}).items() if kind in TRUSTED}
    if not isinstance(mark, dict) or not mark.get("kind"):
        plain = data.get("text/plain") or translated("(an output that cannot be shown as text)")
        return _output({"text/plain": visible(plain)}, {"kind": "plain"})
    mark = dict(mark)
    here = mark.pop("languages", {}).get(current())
    if isinstance(here, dict):
        data |= {kind: _text(value) for kind, value in here.items() if kind in TRUSTED}
        mark |= {key: str(here[key]) for key in ("alt", "caption") if key in here}
        name = f"{name}.{current()}"
    if any(kind in data for kind in _PICTURES):
        picture = next(kind for kind in _PICTURES if kind in data)
        return _output({picture: data[picture]}, mark, filename=f"{name}.{picture[6:9]}")
    return _output(data, mark)


def _text(value: Any) -> str:
    """Notebook files may hold text as a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _output(data: dict[str, str], mark: Json, **metadata: str) -> NotebookNode:
    return nbformat.v4.new_output("display_data", data=data, metadata={"evalpress": mark, **metadata})
