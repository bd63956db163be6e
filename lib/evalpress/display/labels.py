"""Places for labels inside a plot: where no other label, no mark and no line is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.path import Path
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

_DIRECTIONS = ((0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0))
_DISTANCES = (6, 11, 17, 24)
"""Points from the mark to the label, near ones first."""
_AIR = 1.5
"""Pixels of the drawing around a label that stay free, too."""


@dataclass(frozen=True)
class Label:
    """Text beside a point of the data, or beside the first of several points that has room."""

    text: str
    points: tuple[tuple[float, float], ...]


def place(figure: Canvas, axes: Axes, labels: Sequence[Label]) -> list[str]:
    """Write each label where there is room for it; call it when everything else is drawn.

    Returns:
        The texts for which there is no room, which are left out.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    taken = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    lines = [line.get_transform().transform_path(line.get_path()) for line in axes.lines if len(line.get_xdata()) > 1]
    marks = [bounds for line in axes.lines for bounds in _marks(axes, line.get_xydata(), line.get_markersize(), figure)]
    legend = axes.get_legend()
    taken += [legend.get_window_extent(renderer)] if legend else []
    left_out = []
    for label in labels:
        written = next(_free(axes, label, renderer, [*taken, *marks], lines), None)
        if written is None:
            left_out.append(label.text)
        else:
            taken.append(written.get_window_extent(renderer))
    return left_out


def _marks(axes: Axes, points: Sequence[Sequence[float]], size: float, figure: Canvas) -> Iterator[Bbox]:
    """The squares that marks fill."""
    half = size * figure.dpi / 72 / 2
    for x, y in axes.transData.transform(points) if len(points) else ():
        yield Bbox.from_extents(x - half, y - half, x + half, y + half)


def _free(
    axes: Axes, label: Label, renderer: object, taken: Sequence[Bbox], lines: Sequence[Path]
) -> Iterator[Annotation]:
    """Written labels in places that are free; a place that is not is given up again."""
    for point in label.points:
        for distance in _DISTANCES:
            for across, up in _DIRECTIONS:
                written = axes.annotate(
                    label.text,
                    point,
                    (across * distance, up * distance),
                    textcoords="offset points",
                    ha={-1: "right", 0: "center", 1: "left"}[across],
                    va={-1: "top", 0: "center", 1: "bottom"}[up],
                )
                box = written.get_window_extent(renderer).padded(_AIR)
                inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and box.y1 <= axes.bbox.y1 + 2
                struck = any(box.overlaps(one) for one in taken) or any(
                    line.intersects_bbox(box, False) for line in lines
                )
                if inside and box.y0 >= axes.bbox.y0 and not struck:
                    yield written
                written.remove()
