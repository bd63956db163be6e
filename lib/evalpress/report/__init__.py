"""The report: executed notebooks merged and printed as one HTML page and as Markdown, and published.

Works from a finished report folder on a machine without an engine.
"""

from __future__ import annotations

from evalpress.report.publish import Published, publish
from evalpress.report.render import RenderedPaths, render

__all__ = ["Published", "RenderedPaths", "publish", "render"]
