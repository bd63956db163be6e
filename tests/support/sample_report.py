"""A whole synthetic report on disk: every kind of section, display object and hostile text. Nothing is measured."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import nbformat
import samples
from evalpress.display.tables import (
    Badge,
    Code,
    Column,
    Details,
    Missing,
    Prose,
    Quantity,
    Table,
    Tile,
    Tiles,
    Verdict,
    code,
    output,
    snippet,
)
from evalpress.sections.alignment.agreement_figure import prompt_agreement
from evalpress.sections.benchmark import tables as benchmark_tables
from evalpress.sections.benchmark.figures import eager_vs_compiled, latency_distribution, throughput_bars
from evalpress.sections.benchmark.startup_figure import startup_phases
from evalpress.sections.quality import tables as quality_tables
from evalpress.sections.quality.figures import category_bars

TITLE = "Synthetic report: demo model on CPU"
PARAMETERS = 'set_name = "demo"\nreports_dir = "reports"\nmeasure = "auto"'


def opening(section: str, module: str) -> tuple[str]:
    """The cell that every measured notebook begins with."""
    return (
        f"from evalpress.sections.{section} import figures, section, tables\n"
        "from evalpress.sections.job import open_job\n"
        f'job = open_job("{section}", set_name, reports_dir, measure)\nresult = job.run(section.measure)',
    )


def gates_table() -> Table:
    return Table(
        "Gates",
        ("Gate", "Status", "Found", "Allowed", "Section"),
        (
            (Code("alignment.cosine"), Badge("pass"), "0.999846", "≥ 0.99", "Alignment"),
            (Code("alignment.unexplained_flips"), Badge("pass"), 0, "0", "Alignment"),
            (Code("quality.failures"), Badge("fail"), 2, "0", "Quality"),
            (Code("quality.reviews"), Badge("needs_review"), 4, "0", "Quality"),
            (Code("serving"), Badge("skipped"), Missing("the set runs no server"), "–", "Serving"),
        ),
    )


def summary() -> nbformat.NotebookNode:
    verdict = Verdict(
        "warn",
        "Compiled serves 1.22 times the tokens of eager; numerics are within the noise of bf16.",
        ("2 of 11 quality cases wait for a person's review.", ("Section ", Code("serving"), " was not run.")),
    )
    tiles = Tiles(
        (
            Tile("Output throughput, compiled", "3,782 tok/s", "eager 3,100 tok/s"),
            Tile("Speed-up", "1.22×", "95 % interval 1.20 to 1.24"),
            Tile("Time to first token", "4.1 ms", "p99 6.2 ms"),
            Tile("Lowest cosine", "0.999846", "noise ratio 1.03"),
        )
    )
    headline = Table(
        "Eager against compiled",
        ("Figure", Column("Eager"), Column("Compiled"), Column("Compiled against eager")),
        (
            ("Output throughput", Quantity(3100.4, "tok/s"), Quantity(3782.1, "tok/s"), "1.22× (1.20× to 1.24×)"),
            ("Request throughput", Quantity(62.0, "req/s"), Quantity(75.6, "req/s"), "1.22× (1.20× to 1.24×)"),
            ("Time to first token", Quantity(5.02, "ms"), Quantity(4.11, "ms"), "0.82× (0.79× to 0.85×)"),
            ("Start-up", Quantity(8.23, "s"), Quantity(26.1, "s"), "pays for itself after 91,000 tokens"),
        ),
        warning="a quality gate failed: speed figures are not valid.",
        note="Paired blocks in the order A B B A; intervals are 95 % Student-t on log ratios.",
    )
    return samples.notebook(
        "Summary",
        (PARAMETERS,),
        ("summary.verdict(result)", verdict),
        ("summary.key_figures(result)", tiles),
        ("summary.headline(result)", headline),
        "## Gates\n\nA gate compares a figure with what is allowed. See [how alike the logits are](#alignment).",
        ("summary.gates(result)", gates_table()),
        "## Reproduce it",
        (
            "summary.command(result)",
            snippet("git checkout 1f3c9ab\nmake report SET=demo  # about three minutes", "bash"),
        ),
    )


def setup() -> nbformat.NotebookNode:
    model = Table(
        "The model, read from its own configuration and weights",
        ("Property", "Value"),
        (
            ("Architecture", Code("Qwen2ForCausalLM")),
            ("Parameters", Quantity(1_048_832, "")),
            ("Weights", Quantity(2_097_664, "bytes")),
            ("KV cache per token", Quantity(2048, "bytes")),
            ("Tied embeddings", True),
            ("Remote code", False),
        ),
    )
    versions = Table(
        "The version set",
        ("Package", "Found", "Wanted", "Status"),
        (
            ("vllm", "0.32.0", "0.32.0", Badge("ok")),
            ("torch", "2.13.0+cpu", "2.13.0", Badge("ok")),
            ("torch_npu", Missing("not an Ascend host"), "–", Badge("skipped", "not needed")),
        ),
        note="Point releases that differ are a warning, minor releases that differ a failure.",
    )
    metrics = "| key | definition | unit |\n|---|---|---:|\n| `ttft` | request sent → first token | ms |\n"
    return samples.notebook(
        "Setup",
        "What was measured, on what, and with which versions.",
        opening("setup", "setup"),
        "## Model",
        ("setup.model_table(result)", model),
        "## Environment",
        ("setup.version_table(result)", versions),
        f"## Definitions\n\nThe names are vLLM's own.\n\n{metrics}",
        "## Run book\n\nThese commands ran for this report.",
        (
            "setup.offline(result)",
            snippet(
                "from vllm import LLM, SamplingParams\n\nllm = LLM(model='models/demo', dtype='bfloat16')\n"
                "print(llm.generate(['The capital of France is'], SamplingParams(temperature=0))[0])",
                "python",
            ),
        ),
    )


def benchmark() -> nbformat.NotebookNode:
    document = samples.benchmark()
    rows = [
        (name, *(Quantity(getattr(document.data.modes[m].workloads[name], k), u) for k, u in
                 (("output_throughput", "tok/s"), ("mean_ttft_ms", "ms"), ("p99_ttft_ms", "ms"), ("mean_tpot_ms", "ms"))
                 for m in ("eager", "compiled")))
        for name in samples.WORKLOADS
    ]  # fmt: skip
    heads = [
        f"{what}, {mode}" for what in ("Output", "TTFT mean", "TTFT p99", "TPOT mean") for mode in ("eager", "compiled")
    ]
    workloads = Table("Every workload in both modes", ("Workload", *heads), rows)
    raw = samples.raw_latencies(document)
    return samples.notebook(
        "Benchmark",
        "Both engines are resident; blocks alternate in the order A B B A, so that noise cannot fake a speed-up.",
        (PARAMETERS,),
        opening("benchmark", "bench"),
        "## Eager against compiled",
        ("eager_vs_compiled(result)", eager_vs_compiled(document)),
        ("bench.workloads(result)", workloads),
        ("throughput_bars(result)", throughput_bars(document)),
        "## Latency",
        ("tables.latencies(result)", benchmark_tables.latencies(document)),
        ("latency_distribution(result, raw)", latency_distribution(document, raw)),
        "## Start-up",
        ("startup_phases(result)", startup_phases(document)),
        (
            "bench.break_even(result)",
            Prose("Compiled has made up for its longer start after **91,000** output tokens, 17.4 s of work."),
        ),
    )


def evidence() -> nbformat.NotebookNode:
    texts = ("Paris", "______.\nA", "10, 12, 14, 16, 18, 20", *samples.HOSTILE, "word " * 200)
    rows = [
        (f"case_{index:02d}", Code(f"Prompt {index}: def hello(name):\n    return"), output(text), "length",
         len(text), 12.5 + index, Code("9f86d081884c"))
        for index, text in enumerate(texts)
    ]  # fmt: skip
    heads = (
        "Case", Column("Prompt", wide=True), Column("Output", wide=True), "Finish reason", Column("Tokens"),
        Column("Latency", "ms"), "SHA-256",
    )  # fmt: skip
    stranger = nbformat.v4.new_output(
        "execute_result", data={"text/html": samples.HOSTILE[0], "text/plain": samples.HOSTILE[1]}
    )
    return samples.notebook(
        "Evidence",
        "Greedy decoding, prompt by prompt, as the model wrote it.",
        ("evidence.cases(result)", Table("Prompts and outputs at temperature 0", heads, rows)),
        ("evidence.longest(result)", Details("The longest output in full", samples.HOSTILE[2] * 3)),
        ("evidence.note(result)", Prose(f"A base model continues text: case 3 wrote {code(samples.HOSTILE[3])}.")),
        ("an_output_of_somebody_else", stranger, nbformat.v4.new_output("stream", name="stdout", text="chatter")),
    )


def alignment() -> nbformat.NotebookNode:
    return samples.notebook(
        "Alignment",
        "How far the logits are from a reference in single precision on the CPU.",
        opening("alignment", "alignment"),
        ("prompt_agreement(result)", prompt_agreement(samples.alignment())),
    )


def quality() -> nbformat.NotebookNode:
    document = samples.quality()
    written = [
        case.model_copy(update={"output": samples.HOSTILE[index % len(samples.HOSTILE)]})
        for index, case in enumerate(document.data.cases)
    ]
    document = document.model_copy(update={"data": document.data.model_copy(update={"cases": written})})
    return samples.notebook(
        "Quality",
        ("figures.category_bars(result)", category_bars(document)),
        "## Cases",
        ("tables.cases(result)", quality_tables.cases(document)),
        ("tables.pending(result)", quality_tables.pending(document)),
    )


@functools.cache
def notebooks() -> dict[str, nbformat.NotebookNode]:
    """Every executed notebook by its stem. Not to be changed: they are made once."""
    made = {
        "00_setup": setup, "10_benchmark": benchmark, "30_evidence": evidence, "40_alignment": alignment,
        "50_quality": quality, "90_summary": summary,
    }  # fmt: skip
    return {stem: make() for stem, make in made.items()}


def write(folder: Path) -> dict[str, dict[str, str]]:
    """Write the notebooks under `folder`; returns the failures and skips that `render` is to be told."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "failed").mkdir()
    for stem, notebook in notebooks().items():
        nbformat.write(notebook, folder / "notebooks" / f"{stem}.ipynb")
    broken = samples.notebook("Determinism", "Same prompt, same bytes?", ("print(1)", Prose("half a result")))
    nbformat.write(broken, folder / "failed" / "60_determinism.ipynb")
    facts = {"set": "demo", "model": "demo model (synthetic)", "platform": "CPU, 2 cores", "verdict": "warn",
             "created": "2026-11-22T10:00:00Z", "headline": {"output_throughput": 3782.1}}  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(facts))
    return {
        "failures": {"60_determinism": "the engine's process ended with exit code 137 (out of memory)"},
        "skipped": {"20_serving": "the parameter set runs no server"},
    }
