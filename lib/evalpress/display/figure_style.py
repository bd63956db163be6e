"""One style for every figure, and the SVG that comes of it.

Colours are Okabe and Ito's, safe for every kind of colour vision, and never the only sign: marker shapes,
labels or hatching say the same. The SVG carries its own dark and print colours, so that the file alone is
legible in either theme. Text stays text, set in the reader's sans serif. Equal input gives equal bytes.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from evalpress.core.plain import Json
from evalpress.display import figure_text, language

MimeBundle = tuple[Json, Json]
Panels = tuple[Canvas, list[Axes]]

INK, MUTED, GRID, SURFACE = "#1b1f24", "#57606a", "#d8dde3", "#ffffff"
BLUE, VERMILLION, GREEN = "#0072b2", "#d55e00", "#009e73"
PURPLE, ORANGE, SKY = "#aa4f86", "#b87700", "#3d8fc4"
EAGER, COMPILED = VERMILLION, BLUE
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)

_DARK = {
    INK: "#e6e9ed", MUTED: "#a3adb8", GRID: "#363d46", SURFACE: "#16191d",
    BLUE: "#56b4e9", VERMILLION: "#f0803c", GREEN: "#2fc79a", PURPLE: "#dd9cc0", ORANGE: "#e69f00",
    SKY: "#8ccbf2",
}  # fmt: skip

WIDTH = 4.4
"""Inches. Narrow on purpose: at 390 pixels, the width of a phone, letters of 9 points are still 11 pixels high."""

_TITLE, _LABEL = 46, 56
"""Characters of a title and of an axis's name that fit into the width."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # measured with the font that matplotlib ships: the same layout anywhere
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.facecolor": "none",
    "axes.titlecolor": INK,
    "figure.facecolor": SURFACE,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,  # no math text: a name may contain dollar signs
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.borderaxespad": 0.2,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
}

_NOT_STYLE = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.port"})
"""Settings of the process and not of a figure; setting a backend would load it."""

_FONTS = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif'
_RECOLOUR = "".join(
    f'[style*="{name}: {light}"],[{name}="{light}"]{{{name}:{dark}!important}}'
    for light, dark in _DARK.items()
    for name in ("fill", "stroke")
)
_THEME = (
    f"<style>text{{font-family:{_FONTS}!important}}@media screen and (prefers-color-scheme:dark){{{_RECOLOUR}}}</style>"
)
_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_PATH = re.compile(r' d="[^"]*"')
_DIGITS = re.compile(r"(\.\d\d)\d+")
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """A finished picture with its alternative text and caption.

    `alt` says what the picture shows, with its figures; `caption` is under it.

    Raises:
        ValueError: `alt` or `caption` is empty.
    """

    svg: str
    alt: str
    caption: str
    others: Mapping[str, str] = field(default_factory=dict)
    """Language → the same picture with its labels in it."""

    def __post_init__(self) -> None:
        if not self.alt.strip() or not self.caption.strip():
            raise ValueError("a figure needs an alternative text and a caption")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        data = {"image/svg+xml": self.svg, "text/plain": self.alt}
        mark: Json = {"kind": "figure", "alt": self.alt, "caption": self.caption}
        mark["languages"] = {name: self._bundle(name) for name in self.others}
        return data, {"alt": self.alt, "caption": self.caption, "evalpress": mark}

    def here(self) -> Figure:
        """The figure in the current language; without a font for its letters the labels stay, and the caption says
        so."""
        svg = self.others.get(language.current())
        if svg is None:
            return self
        caption, alt = language.translated(self.caption), language.translated(self.alt)
        if svg == self.svg:
            caption += " " + language.phrase(
                "(This host has no font for labels in this language: they are in English.)"
            )
        return Figure(svg, alt, caption)

    def _bundle(self, name: str) -> dict[str, str]:
        """The figure in another language."""
        with language.using(name):
            here = self.here()
        return {"image/svg+xml": here.svg, "text/plain": here.alt, "alt": here.alt, "caption": here.caption}


@contextmanager
def _own_style(more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """matplotlib's own defaults with our style over them: a user's matplotlibrc changes no figure."""
    plain = {key: value for key, value in mpl.rcParamsDefault.items() if key not in _NOT_STYLE}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mpl.MatplotlibDeprecationWarning)
        with mpl.rc_context({**plain, **_STYLE, **(more or {})}):
            yield


@contextmanager
def canvas(height: float, rows: int = 1, columns: int = 1, **more: Any) -> Iterator[Panels]:
    """A canvas of the standard width and `height` inches with its axes, row by row, in the common style.

    No pyplot: nothing global, nothing that a notebook would show by itself.
    """
    with _own_style():
        figure = Canvas(figsize=(WIDTH, height))
        axes = figure.subplots(rows, columns, squeeze=False, **more)
        yield figure, list(axes.flat)


def finish(figure: Canvas, alt: str, caption: str) -> Figure:
    """The picture as a `Figure`; call it inside `canvas`. Titles and names of axes are broken into lines that fit."""
    for axes in figure.axes:
        spec = axes.get_subplotspec()
        panels = spec.get_gridspec().ncols if spec else 1
        axes.set_title(textwrap.fill(axes.get_title(loc="left"), _TITLE // panels))
        axes.set_xlabel(textwrap.fill(axes.get_xlabel(), _LABEL // panels))
    svg = to_svg(figure, alt)
    return Figure(svg, alt, caption, {name: _in_language(figure, name, svg, alt) for name in language.OTHERS})


def _in_language(figure: Canvas, name: str, svg: str, alt: str) -> str:
    """The picture with its labels in another language; as it is where no font here has its letters."""
    families = figure_text.families(name)
    if not families:
        return svg
    with language.using(name):
        figure_text.translate(figure, families)
        return to_svg(figure, language.translated(alt))


def to_svg(figure: Canvas, title: str) -> str:
    """`figure` as SVG text: no date, stable ids, both themes, letters as letters."""
    buffer = io.StringIO()
    with _own_style({"svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = _PROLOGUE.sub("", buffer.getvalue(), count=1)
    svg = _METADATA.sub("", svg, count=1)
    svg = _PATH.sub(lambda path: _DIGITS.sub(r"\1", path[0]), svg)
    opening, rest = svg.split(">", 1)
    return f'{opening} role="img">\n <title>{html.escape(title)}</title>\n {_THEME}{rest}'


def legend_above(axes: Axes, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Names and styles of bars in one line over the plot, flush left with it."""
    patches = [Patch(label=name, linewidth=1, **style) for name, style in entries.items()]
    if patches:
        axes.legend(handles=patches, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handlelength=1.2)


def columns(entries: int) -> int:
    """Columns of a legend over the whole width: three, or two where the names need two lines."""
    return entries if entries <= 3 else 2


def thousands(axes: Axes) -> None:
    """Ticks of the horizontal axis with separated thousands."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the horizontal rows of a plot, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.45, -0.6)
    axes.tick_params(axis="y", length=0)


def solid(tone: str) -> dict[str, str]:
    """A bar in one colour."""
    return {"facecolor": tone, "edgecolor": tone}


def hatched(tone: str, hatch: str) -> dict[str, str]:
    """A bar that differs from solid ones without its colour."""
    return {"facecolor": SURFACE, "edgecolor": tone, "hatch": hatch}


def value_label(axes: Axes, x: float, y: float, text: str) -> None:
    """A figure in words just right of the end of a horizontal bar."""
    axes.annotate(text, (x, y), (3, 0), textcoords="offset points", va="center")


def legend_right(axes: Axes) -> None:
    """The legend on the line of the title, flush right with the plot; above it where there are many names."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) <= 2:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    else:
        axes.figure.legend(handles, names, loc="outside upper left", ncols=columns(len(names)))
