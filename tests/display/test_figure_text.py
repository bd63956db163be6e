"""Letters of figures: none over another, none struck through by a line, none beyond the edge, none too small."""

from __future__ import annotations

from itertools import combinations

import pytest
import serving_samples
from evalpress.display import figure_style
from evalpress.sections.serving import figures as serving
from figure_makers import MAKERS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

pytestmark = pytest.mark.slow

PHONE = 390 / (figure_style.WIDTH * 72)
"""Pixels per point of a figure that is as wide as a phone."""


@pytest.fixture
def drawn(monkeypatch):
    """Draws a figure; gives its canvas, its texts with their boxes, and its lines."""
    kept, written = [], []
    draw_text = Text.draw
    monkeypatch.setattr(figure_style, "to_svg", lambda figure, title: kept.append(figure) or "<svg/>")
    monkeypatch.setattr(Text, "draw", lambda text, renderer, *more: (written.append(text), draw_text(text, renderer)))

    def draw(make, document):
        make(document)
        canvas = FigureCanvasAgg(kept[-1])
        with figure_style._own_style():
            kept[-1].draw_without_rendering()
            written.clear()
            canvas.draw()
        texts = [text for text in written if text.get_visible() and text.get_text().strip()]
        return kept[-1], [(text, text.get_window_extent(canvas.get_renderer())) for text in texts]

    return draw


def overlapping(boxes) -> list[tuple[str, str]]:
    smaller = [(text.get_text(), box.padded(-1)) for text, box in boxes]
    return [(a, b) for (a, one), (b, other) in combinations(smaller, 2) if one.overlaps(other)]


def struck(figure, boxes) -> list[str]:
    """Texts inside a plot, without a box of their own, that a line of the data crosses."""
    found = []
    for text, box in boxes:
        axes = text.axes
        if axes is None or text not in axes.texts or text.get_bbox_patch() is not None:
            continue
        lines = [
            line.get_transform().transform_path(line.get_path()) for line in axes.lines if len(line.get_xdata()) > 1
        ]
        found += [text.get_text() for line in lines if line.intersects_bbox(box, filled=False)]
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_texts_do_not_overlap_and_stay_inside(drawn, name):
    make, document = MAKERS[name]
    figure, boxes = drawn(make, document())
    assert overlapping(boxes) == []
    assert struck(figure, boxes) == []
    outside = [text.get_text() for text, box in boxes if box.x0 < -1 or box.x1 > figure.bbox.x1 + 1]
    assert outside == []
    assert min(text.get_fontsize() for text, _ in boxes) * PHONE >= 11


@pytest.mark.parametrize("spread", [0.001, 0.02, 0.2, 1.0, 5.0])
def test_the_numbers_of_load_points_keep_apart_wherever_the_points_are(drawn, spread):
    levels = []
    for index, level in enumerate(serving_samples.results().levels):
        moved = {"output_throughput": 1000 * (1 + spread * index / 7), "mean_ttft_ms": 10 + spread * index}
        levels.append(level.model_copy(update=moved | {"p99_ttft_ms": 12 + 2 * spread * index}))
    document = serving_samples.document(levels=tuple(levels))
    figure, boxes = drawn(serving.throughput_latency, document)
    inside = [(text, box) for text, box in boxes if text.axes is not None and text in text.axes.texts]
    assert overlapping(boxes) == [] and struck(figure, boxes) == [] and (inside or spread < 0.01)
