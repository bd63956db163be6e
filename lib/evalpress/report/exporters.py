"""nbconvert's exporters with templates of ours, for the merged notebook only."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbconvert.exporters.markdown import MarkdownExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbformat import NotebookNode
from traitlets.config import Config

from evalpress.core.plain import Options
from evalpress.core.version import __version__
from evalpress.display import language
from evalpress.display.tables import escape_html, escape_markdown, fence
from evalpress.report.markdown_html import highlighted, to_html

TEMPLATES = Path(__file__).parent / "templates"
FILES = "report_files"
_SAID = re.compile(r"""\bsay\("([^"]*)"\)""")
_ID = re.compile(r' id="([^"]+)"')
_HREF = re.compile(r'( href="#)([\w.-]+)')
_LINK = re.compile(r"\]\(#([\w.-]+)\)")


def html_page(notebook: NotebookNode) -> str:
    """The merged notebook as one self-contained page."""
    body, _ = _PageExporter(extra_template_basedirs=[str(TEMPLATES)]).from_notebook_node(notebook)
    return _arriving(str(body))


def _arriving(page: str) -> str:
    """`page` in which a link to a table or row that this report does not have leads to its section."""
    there = set(_ID.findall(page))
    return _HREF.sub(lambda link: link[0] if link[2] in there else f"{link[1]}{link[2].partition('-')[0]}", page)


def markdown_page(notebook: NotebookNode) -> tuple[str, dict[str, bytes]]:
    """The merged notebook as Markdown, and the pictures that it shows by their path beside it."""
    exporter = _MarkdownExporter(extra_template_basedirs=[str(TEMPLATES)])
    body, resources = exporter.from_notebook_node(notebook, {"output_files_dir": FILES})
    text = re.sub(r"\n{3,}", "\n\n", str(body)).strip() + "\n"
    return text, dict(resources["outputs"])


def stylesheet() -> str:
    """The CSS that every page of ours carries."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def script() -> str:
    """The report's one script, between its tags byte for byte: the page's policy names its digest."""
    words = "" if language.current() == "en" else f"const words = {_script_words()};\n"
    return f"\n{words}" + (TEMPLATES / "script.js").read_text(encoding="utf-8")


def _script_words() -> str:
    """The script's texts in the current language, as JSON that cannot end the script."""
    texts = _SAID.findall((TEMPLATES / "script.js").read_text(encoding="utf-8"))
    told = json.dumps({text: language.phrase(text) for text in texts}, ensure_ascii=False)
    return told.replace("<", "\\u003c")


def page_parts() -> dict[str, str]:
    """What every page with our script is made of: style sheet, script, the script's digest, the suite's version."""
    program = script()
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
    return {"stylesheet": stylesheet(), "script": program, "script_hash": digest, "version": __version__}


class _PageExporter(TemplateExporter):
    """HTML without nbconvert's own page: one small script of ours, no style sheet from elsewhere."""

    output_mimetype = "text/html"
    file_extension = ".html"
    template_name = "html"

    @property
    def default_config(self) -> Config:
        order = ["text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain"]
        config = Config({"NbConvertBase": {"display_data_priority": order}})
        merged = super().default_config.copy()
        merged.merge(config)
        return merged

    def default_filters(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        yield from super().default_filters()
        yield "escaped", escape_html
        yield "prose", to_html
        yield "highlighted", highlighted
        yield "data_uri", data_uri

    def _init_resources(self, resources: Any) -> Any:
        ready = super()._init_resources(resources)
        return ready | page_parts() | _words()


class _MarkdownExporter(MarkdownExporter):
    """Markdown with the twins of tables, pictures as files, and no code."""

    template_name = "markdown_report"
    exclude_input = True

    @property
    def default_config(self) -> Config:
        order = ["text/markdown", "image/svg+xml", "image/png", "text/plain"]
        config = Config({"NbConvertBase": {"display_data_priority": order}})
        merged = super().default_config.copy()
        merged.merge(config)
        return merged

    def default_filters(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        yield from super().default_filters()
        yield "escaped", escape_markdown
        yield "fenced", fence
        yield "github_links", _github_links

    def _init_resources(self, resources: Any) -> Any:
        return super()._init_resources(resources) | _words()


def _words() -> Options:
    """What the templates need of the language: a function that translates, and the language's tag."""
    return {
        "_": language.phrase,
        "tag": language.TAGS[language.current()],
        "translated": language.translated,
        "labelled": language.labelled,
    }


def data_uri(data: str, mimetype: str) -> str:
    """A picture as a data URI. SVG comes as text, anything else in base64 already."""
    packed = base64.b64encode(data.encode()).decode() if mimetype == "image/svg+xml" else "".join(data.split())
    return f"data:{mimetype};base64,{packed}"


def _github_links(source: str, slugs: Mapping[str, str]) -> str:
    """Links to anchors of the HTML page as links to the anchors that GitHub makes of the same headings.

    Tables and rows have none in Markdown: a link to one leads to its section.
    """

    def slug(anchor: str) -> str:
        return slugs.get(anchor) or slugs.get(anchor.partition("-")[0], anchor)

    return _LINK.sub(lambda match: f"](#{slug(match[1])})", source)
