"""Figures: valid, deterministic, legible in both themes, true to their documents and tolerant of gaps."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import samples
import serving_samples
from evalpress.display import figure_style
from evalpress.display.figure_style import Figure
from evalpress.display.wording import metric_words, missing_words
from evalpress.sections.alignment.agreement_figure import prompt_agreement
from evalpress.sections.alignment.layer_figure import layer_errors
from evalpress.sections.alignment.profile_figures import profile_by_margin, profile_by_position
from evalpress.sections.alignment.results import Layers
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.benchmark.startup_figure import startup_phases
from evalpress.sections.quality.figures import category_bars
from evalpress.sections.serving.figures import offered_load, throughput_latency
from figure_makers import MAKERS
from filled import filled
from quality_samples import document, results_of

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", params=MAKERS)
def made(request) -> Figure:
    draw, document = MAKERS[request.param]
    return draw(document())


def texts(figure: Figure) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(figure.svg).iter(f"{SVG}text")]


def changed(document, **changes):
    return document.model_copy(update={"data": document.data.model_copy(update=changes)})


def with_run(document, name, **changes):
    """The document with one candidate changed."""
    run = document.data.candidates[name].model_copy(update=changes)
    return changed(document, candidates=document.data.candidates | {name: run})


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_figure_is_one_closed_drawing(made):
    root = ET.fromstring(made.svg)
    assert root.tag == f"{SVG}svg" and root.find(f"{SVG}title").text == made.alt
    links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
    assert all(link.startswith("#") for link in links)
    assert not [node for node in root.iter() if node.tag in (f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject")]
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", made.svg)
    identities = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(identities) == len(set(identities))


def test_a_figure_has_an_alternative_text(made):
    data, metadata = made._repr_mimebundle_()
    assert data["image/svg+xml"] == made.svg and data["text/plain"] == made.alt
    assert metadata["alt"] == metadata["evalpress"]["alt"] == made.alt and len(made.alt) > 40
    assert metadata["caption"] == made.caption and len(made.caption) > 40
    with pytest.raises(ValueError, match="alternative text"):
        Figure(made.svg, " ", "caption")


def test_every_colour_has_a_counterpart_in_the_dark(made):
    drawn = set(re.findall(r"(?:fill|stroke)(?::\s*|=\")(#[0-9a-f]{6})", made.svg.split("</style>", 1)[1]))
    assert drawn and drawn <= set(figure_style._DARK), drawn - set(figure_style._DARK)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_contrast_with_the_surface_in_both_themes(dark):
    theme = figure_style._DARK if dark else {colour: colour for colour in figure_style._DARK}
    surface = theme[figure_style.SURFACE]
    for colour in (figure_style.INK, figure_style.MUTED):
        assert contrast(theme[colour], surface) >= 4.5
    for colour in figure_style.SERIES:
        assert contrast(theme[colour], surface) >= 3


@pytest.mark.slow
def test_equal_documents_give_equal_bytes_in_another_process():
    module = "evalpress.sections.benchmark.startup_figure"
    program = f"import samples; from {module} import startup_phases; print(startup_phases(samples.benchmark()).svg)"
    search = f"import sys; sys.path[:0] = {[str(p) for p in sys.path]!r}; "
    other = subprocess.run([sys.executable, "-c", search + program], capture_output=True, text=True, check=True)
    assert other.stdout.rstrip("\n") == startup_phases(samples.benchmark()).svg.rstrip("\n")


def test_flips_are_counted_in_words():
    shown = prompt_agreement(samples.alignment())
    assert "vLLM eager: same top token throughout 4 of 5 texts" in shown.alt
    assert "arithmetic (vLLM compiled); reason: synthetic gap" in shown.caption


def test_the_stage_that_leaves_the_noise_is_named():
    document = samples.alignment()
    shown = layer_errors(document)
    title = "transformers cuda leaves the noise at layer 1 mlp"
    assert title in " ".join(texts(shown)) and title in shown.alt and "layer 1 mlp" in texts(shown)
    device = document.data.layers.candidates["transformers_cuda"]
    sound = device.model_copy(update={"first_beyond_noise": None, "beyond_noise": ()})
    found = document.data.layers.model_copy(update={"candidates": {"transformers_cuda": sound}})
    assert "No stage leaves the noise: transformers cuda" in " ".join(
        texts(layer_errors(changed(document, layers=found)))
    )
    nothing = changed(document, layers=None, layers_why="the logits come from a file")
    assert "hidden states; reason: the logits come from a file" in layer_errors(nothing).caption


def test_results_without_limits_of_stages_say_so():
    document = samples.alignment()
    older = document.data.layers.model_copy(update={"limits": None, "limits_why": "measured by an older version"})
    caption = layer_errors(changed(document, layers=older)).caption
    assert "what passes for noise; reason: measured by an older version" in caption


def test_a_server_that_keeps_the_slo_for_every_request_is_at_100_per_cent():
    document = serving_samples.document()
    assert "compiled at 14 requests per second: 100% good" in offered_load(document).alt
    assert "eager at 42 requests per second: 71% good" in offered_load(document).alt
    assert "dotted line" not in offered_load(serving_samples.document(slo_ms={})).caption


def test_the_highest_percentile_that_a_point_has_is_drawn():
    """No line and no name in the legend stands for what no point has."""
    whole = serving_samples.document()
    assert any("p99" in text for text in texts(throughput_latency(whole)))
    few = {f"p99_{metric}_ms": None for metric in ("ttft", "tpot")} | {
        f"p99_{metric}_ms_why": "32 requests in the window, 100 are needed" for metric in ("ttft", "tpot")
    }
    points = {key: tuple(p.model_copy(update=few) for p in getattr(whole.data, key)) for key in ("levels", "rates")}
    whole.data = whole.data.model_copy(update=points)
    for drawn in (throughput_latency(whole), offered_load(whole)):
        assert any("p90" in text for text in texts(drawn)) and not any("p99" in text for text in texts(drawn))
        assert "Not drawn" not in drawn.caption and "p99" not in drawn.caption


def test_many_layers_are_named_every_few():
    document = samples.alignment()
    stages = ("embedding", *(f"layer {i}" for i in range(60)), "logits")
    errors = {"made": [0.01] * 62, "arrived": [0.01] * 62}
    known = {"limit": 3.0, "limits": [0.1] * 62, "stages": stages, "noise_floor": errors}
    document = changed(document, layers=filled(Layers, known | {"candidates": {"vllm": errors}}))
    ticks = [text for text in texts(layer_errors(document)) if text.isdigit()]
    assert 8 <= len(ticks) <= 14


def test_profiles_say_where_the_error_is_largest():
    document = samples.alignment()
    run = document.data.candidates["vllm_compiled"]
    rows = list(run.by_position)
    rows[3] = rows[3].model_copy(update={"noise_ratio": 7.25, "kl_divergence_median": 0.5})
    shown = profile_by_position(with_run(document, "vllm_compiled", by_position=tuple(rows)))
    assert "Error at most 7.25× the noise floor's, at positions 4–7" in " ".join(texts(shown))
    assert "Median KL at most 0.5 nats, at positions 4–7" in " ".join(texts(shown))


def test_errors_that_a_shift_hides_are_named_and_not_drawn_as_zero():
    document = samples.alignment()
    null = {
        f"max_abs_err_{word}{why}": "shifted" if why else None for word in ("median", "p90") for why in ("", "_why")
    }
    rows = tuple(row.model_copy(update=null) for row in document.data.candidates["vllm_eager"].by_position)
    caption = profile_by_position(with_run(document, "vllm_eager", by_position=rows)).caption
    assert "largest error, position 0 (vLLM eager)" in caption and ": shifted" in caption


def test_the_margin_from_which_tokens_agree():
    document = samples.alignment()
    assert "From a margin of 0.0625 on, no best token differs" in " ".join(texts(profile_by_margin(document)))
    rows = list(document.data.candidates["vllm_compiled"].by_margin)
    rows[2] = rows[2].model_copy(update={"same": 2, "share": 2 / 3})
    differing = with_run(document, "vllm_compiled", by_margin=tuple(rows))
    assert "Best tokens differ even at the largest margins" in " ".join(texts(profile_by_margin(differing)))
    for name in ("vllm_eager", "vllm_compiled"):
        document = with_run(document, name, by_margin=rows[1:2])
    floor = document.data.noise_floor.model_copy(update={"by_margin": rows[1:2]})
    assert "No best token differs, at any margin" in " ".join(
        texts(profile_by_margin(changed(document, noise_floor=floor)))
    )


def test_verdicts_are_counted():
    shown = category_bars(samples.quality())
    assert "knowledge 3 of 6 passed" in shown.alt and "creative 0 of 3 passed" in shown.alt


def test_no_cases_are_an_empty_figure_that_says_so():
    assert "no cases" in category_bars(document(results_of([]))).alt


@pytest.mark.parametrize("draw", [prompt_agreement, profile_by_position, profile_by_margin, layer_errors])
def test_empty_results_give_an_empty_figure_that_says_so(draw):
    assert draw(samples.alignment_document(filled(Alignment))).alt


def test_words_for_keys():
    assert metric_words("p99_ttft_ms") == "time to first token, p99"
    assert metric_words("mean_e2el_ms") == "end-to-end latency"
    assert metric_words("slo_attainment") == "SLO attainment"
    assert metric_words("goodput") == "goodput"
    assert missing_words([]) == ""
    assert (
        missing_words([("a", "x"), ("b", "x"), ("c", None)])
        == " Not drawn: a and b; reason: x. Not drawn: c; reason: not measured."
    )
