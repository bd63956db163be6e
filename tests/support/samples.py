"""Made-up results documents and notebook outputs, for tests of the presentation only.

Nothing here was measured: the numbers come from a seeded generator, and every page made of them says "synthetic"
in its title.
"""

from __future__ import annotations

import random
from typing import Any

import nbformat
from evalpress.core.results import Document
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.quality.results import Results
from filled import filled
from quality_samples import document, judged, results_of

WORKLOADS = ("throughput", "prefill", "decode", "e2e_16", "e2e_64")
HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "</details></td></table><h1>owned</h1><img src=x onerror=alert(1)>",
    "```\n# owned\n```\n~~~\n| a | b |\n",
    "a | b `code` \\| \\\\| ``two`` |",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png) <http://evil.example> www.evil.example",
    "\u202etxet desrever\u202c \u2066isolate",
    "nul \x00 bell \x07 escape \x1b[31m red \ud800 surrogate \ufffe nonchar",
    "$x^2$ &lt;b&gt; &#60;i&#62; <!-- comment --> <![CDATA[x]]> {{ 7 * 7 }} {% raw %}",
    "    indented code\n\n# heading\n\n- item\n1. one\n> quote\n---\n",
    "",
    "   ",
    "中文输出 | 管道 `反引号`\n第二行 عربى",
)


def benchmark(seed: int = 1) -> Document[Benchmark]:
    """A benchmark document with both modes, five workloads and paired ratios."""
    return Document[Benchmark].model_validate(benchmark_json(seed))


def benchmark_json(seed: int = 1) -> dict[str, Any]:
    """The same as in the file."""
    rng = random.Random(seed)
    modes = {mode: _mode(mode, rng) for mode in ("eager", "compiled")}
    comparison: dict[str, Any] = {}
    for workload in WORKLOADS:
        comparison[workload] = {}
        for metric in ("output_throughput", "request_throughput", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms"):
            eager, compiled = (modes[m]["workloads"][workload][metric] for m in ("eager", "compiled"))
            ratio = compiled / eager
            spread = 1 + rng.uniform(0.01, 0.08)
            comparison[workload][metric] = {
                "eager": eager, "compiled": compiled, "ratio": ratio,
                "ci_low": ratio / spread, "ci_high": ratio * spread, "n_pairs": 8,
                "better": "higher" if "throughput" in metric else "lower",
            }  # fmt: skip
    start = {"extra_startup_s": 23.3, "saved_s_per_token": 2.56e-4, "tokens": 91_000.0, "seconds": 17.4}
    start |= {"tokens_low": 80_000.0, "tokens_high": 102_000.0}
    data = {
        "modes": modes,
        "workloads": {name: _shape(name) for name in WORKLOADS},
        "pairing": "alternating blocks, both engines resident",
        "model": {"weight_bytes": 2_101_504, "kv_bytes_per_token": 1024},
        "ceilings": _peak_rates(),
        "scaling": _scaling(),
        "topology": {
            "tensor_parallel_size": 1, "pipeline_parallel_size": 1, "data_parallel_size": 1,
            "distributed_executor_backend": "vLLM's choice", "engine_core": "in the notebook's process",
        },
        "comparison": comparison,
        "identical_tokens": {name: {"identical": 40, "of": 48} for name in WORKLOADS},
        "break_even": {"workload": "throughput"} | start | {"by_phases": start, "cold": start},
        "identities": [{"id": "ttft_le_e2el", "statement": "TTFT ≤ E2EL", "status": "ok", "found": "0 of 9"}],
    }  # fmt: skip
    params = {"platform": {"backend": "cpu"}, "benchmark": {"scaling": {"batch_input_len": 32, "batch_output_len": 16}}}
    return {
        "schema": "evalpress/benchmark/2", "created": "2026-11-22T10:00:00Z", "provenance": {}, "params": params,
        "data": data,
    }  # fmt: skip


def _shape(name: str) -> dict[str, Any]:
    alone = name in ("decode", "e2e_16", "e2e_64")
    kind = name if name in ("throughput", "prefill", "decode") else "e2e"
    output = {"decode": 128, "e2e_16": 16, "e2e_64": 64}.get(name, 50)
    shape = {"kind": kind, "num_prompts": 1 if alone else 50, "input_len": 32, "output_len": output}
    return shape | {"concurrent": True, "alone": alone}


def _peak_rates() -> dict[str, Any]:
    rates = {"memory_bandwidth_gb_s": 32.6, "matmul_tflop_s": 0.42}
    return rates | {
        "copy_bytes": 2**28, "matrix_size": 1536, "threads": 2, "cache_bytes": 2**25,
        "rounds": [rates | {"when": "before the workloads"}],
        "raw": {"memory_bandwidth_gb_s": [32.6], "matmul_tflop_s": [0.42]},
    }  # fmt: skip


def _scaling() -> dict[str, Any]:
    """Batch sizes and prompt lengths in both modes, well below their bounds."""
    batch = [
        {
            "mode": mode,
            "runs": 3,
            "batch_size": size,
            "output_throughput": faster * 400 * size**0.8,
            "decode_throughput": faster * 420 * size**0.8,
            "mean_tpot_ms": 2.4 * size**0.2,
            "mean_ttft_ms": 4.0,
            "bandwidth_bound_tok_s": 6000.0 * size,
        }
        for mode, faster in (("eager", 1.0), ("compiled", 1.5))
        for size in (1, 4, 16, 64)
    ]
    prompt = [
        {"mode": mode, "runs": 3, "prompt_len": length, "mean_ttft_ms": (3 + length / 40) / faster}
        | {"min_ttft_ms": 2.0, "max_ttft_ms": 90.0, "prefill_throughput": 9000.0, "arithmetic_bound_ms": length / 400}
        for mode, faster in (("eager", 1.0), ("compiled", 1.2))
        for length in (64, 256, 1024)
    ]
    line = {"ms_per_token": 1.3, "ms_per_token_low": 1.2, "ms_per_token_high": 1.4, "intercept_ms": 5.0}
    line |= {"r_squared": 0.98, "requests": 18, "blocks": 6}
    return {"batch": batch, "prompt": prompt, "output": {"eager": line, "compiled": line}}


def _mode(mode: str, rng: random.Random) -> dict[str, Any]:
    faster = 1.0 if mode == "eager" else 1.22
    startup: dict[str, Any] = {
        "import_s": 6.4, "config_s": 0.1, "engine_init_s": 0.2, "load_weights_s": 0.31,
        "compile_s": None if mode == "eager" else 17.9,
        "graph_capture_s": None, "graph_capture_s_why": "the CPU backend captures no graphs",
        "kv_cache_s": 0.42, "unaccounted_s": 1.1, "captured_graphs": 0, "cold": mode == "compiled",
        "compile_cache": "none: eager mode does not compile" if mode == "eager" else "used",
    }  # fmt: skip
    if mode == "eager":
        startup["compile_s_why"] = "eager mode neither compiles nor captures"
    startup["total_s"] = sum(v for k, v in startup.items() if k.endswith("_s") and v is not None)
    compilation = {"mode": "NONE", "backend": "none", "cudagraph_mode": "NONE", "capture_sizes": []}
    compilation |= {"splitting_ops": [], "dynamo_s": 1.0, "backend_compile_s": 2.0}
    memory = {"model_weights_gib": 0.002, "kv_cache_gib": 1.0, "kv_cache_tokens": 524_288, "max_concurrency": 256}
    memory |= {
        "graph_capture_gib": 0.1,
        "activation_peak_gib": 0.01,
        "activation_tokens": 2047,
        "activation_source": "synthetic",
    }
    return {
        "startup": startup | {"cold": False},
        "startup_cold": startup if mode == "compiled" else None,
        "startup_cold_why": "eager mode does not compile",
        "memory": memory,
        "compilation": compilation,
        "workloads": {name: _workload(index, faster, rng) for index, name in enumerate(WORKLOADS)},
    }


def _workload(index: int, faster: float, rng: random.Random) -> dict[str, Any]:
    ttft, tpot = (4 + index) / faster * rng.uniform(0.9, 1.1), 1.3 / faster * rng.uniform(0.97, 1.03)
    output = 3100 * faster * rng.uniform(0.97, 1.03) / (1 + index / 4)
    row: dict[str, Any] = {"output_throughput": output, "request_throughput": 62.0 * faster}
    row |= {"duration": 9.0, "completed": 48, "failed": 0, "total_input_tokens": 1536, "total_output_tokens": 2400}
    row |= {"total_token_throughput": output * 1.6, "n_blocks": 8, "cv_output_throughput": 0.03}
    row |= {"steadiness": "steady", "decode_limited_by": "neither peak", "prefill_limited_by": "arithmetic"}
    row |= {"decode_throughput": output * 1.1, "prefill_throughput": output * 4, "mbu": 0.08, "mfu": 0.04}
    row |= {"bandwidth_bound_tok_s": output * 13.0, "arithmetic_bound_tok_s": output * 100.0}
    for metric, mean in (("ttft", ttft), ("tpot", tpot), ("itl", tpot), ("e2el", ttft + 64 * tpot)):
        steps = {"mean": 1, "median": 0.98, "std": 0.1, "min": 0.8, "max": 1.6, "p90": 1.2, "p99": 1.5}
        row |= {f"{name}_{metric}_ms": mean * factor for name, factor in steps.items()}
    return row


def raw_latencies(document: Document[Benchmark], seed: int = 2) -> dict[str, dict[str, list[float]]]:
    """Per-request end-to-end latencies around the document's means, in milliseconds."""
    rng = random.Random(seed)
    return {
        mode: {
            name: [float(row.mean_e2el_ms or 0.0) * rng.lognormvariate(0, 0.08) for _ in range(50)]
            for name, row in found.workloads.items()
        }
        for mode, found in document.data.modes.items()
    }


def alignment(seed: int = 3) -> Document[Alignment]:
    """Five prompts, a noise floor and two engines; one flipped token, one value missing."""
    rng = random.Random(seed)
    names = ("capital_of_france", "symbol_for_water", "def_hello", "capital_of_china", "arithmetic")
    candidates = {}
    for candidate in ("noise_floor", "vllm_eager", "vllm_compiled"):
        prompts = [
            {
                "id": name,
                "kind": "prompt",
                "cosine_similarity": 1 - 10 ** rng.uniform(-6, -3.5),
                "kl_divergence": 10 ** rng.uniform(-6, -2.6),
                "top1_agreement": 0.0 if (name, candidate) == ("def_hello", "vllm_eager") else 1.0,
            }
            for name in names
        ]
        candidates[candidate] = {"prompts": prompts, **_profiles(rng)}
    gap = {"cosine_similarity": None, "cosine_similarity_why": "synthetic gap"}
    candidates["vllm_compiled"]["prompts"][4] |= gap
    floor = candidates.pop("noise_floor")
    data = {"reference": {"dtype": "float32"}, "noise_floor": floor, "candidates": candidates, "layers": _layers(rng)}
    return alignment_document(filled(Alignment, data))


def alignment_document(data: Alignment) -> Document[Alignment]:
    """The results as they are read from a file."""
    return Document[Alignment](
        schema_="evalpress/alignment/2",
        created="2026-11-25T00:00:00Z",
        provenance={"platform": "cpu"},
        params={},
        data=data,
    )


def _profiles(rng: random.Random) -> dict[str, Any]:
    """Errors in groups of positions, and agreement in groups of margins, of one comparison run."""
    by_position = []
    for low, high in ((0, 0), (1, 1), (2, 3), (4, 7), (8, 15)):
        kl, error = 10 ** rng.uniform(-5, -3), rng.uniform(0.05, 0.1)
        by_position.append({
            "from": low, "to": high, "n": high - low + 1, "noise_ratio": rng.uniform(0.7, 1.2),
            "kl_divergence_median": kl, "kl_divergence_p90": 3 * kl, "max_abs_err_median": error,
            "max_abs_err_p90": 1.5 * error,
        })  # fmt: skip
    keys = ("from", "to", "n", "same", "share", "ci_low", "ci_high")
    rows = (
        (0.0, 0.0625, 8, 6, 0.75, 0.41, 0.93),
        (0.0625, 0.125, 20, 20, 1.0, 0.84, 1.0),
        (0.125, 32.0, 3, 3, 1.0, 0.44, 1.0),
    )
    return {"by_position": by_position, "by_margin": [dict(zip(keys, row, strict=True)) for row in rows]}


def _layers(rng: random.Random) -> dict[str, Any]:
    """Two layers, a GPU that goes wrong in the second one's MLP."""
    blocks = [f"layer {index}{part}" for index in range(2) for part in (" attention", " mlp", "")]
    stages = ["embedding", *blocks, "final norm", "logits"]
    noise, device = ([0.0, *(rng.uniform(0.004, 0.006) for _ in stages[1:])] for _ in range(2))
    device[stages.index("layer 1 mlp")] = 0.3
    return {
        "limit": 3.0,
        "limits": [3 * error for error in noise],
        "stages": stages,
        "noise_floor": {"arrived": noise, "made": noise},
        "candidates": {
            "transformers_cuda": {
                "arrived": device, "made": device, "beyond_noise": ["layer 1 mlp"], "first_beyond_noise": "layer 1 mlp",
            }
        },
    }  # fmt: skip


def quality() -> Document[Results]:
    """Four categories with every verdict."""
    verdicts = {"knowledge": "pppnfc", "code": "pn", "summarisation": "p", "creative": "nnf"}
    spelt = {"p": "pass", "n": "needs_review", "f": "fail", "c": "cut"}
    cases = [
        judged(f"{category}_{index}", spelt[letter], category=category)
        for category, letters in verdicts.items()
        for index, letter in enumerate(letters)
    ]
    return document(results_of(cases))


def display(value: Any) -> nbformat.NotebookNode:
    """The output that a kernel would record for a display object of ours."""
    data, metadata = value._repr_mimebundle_()
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


def notebook(title: str, *cells: Any) -> nbformat.NotebookNode:
    """An executed notebook: strings are Markdown cells, `(source, *outputs)` code cells with what they showed."""
    made = [nbformat.v4.new_markdown_cell(f"# {title}")]
    for cell in cells:
        if isinstance(cell, str):
            made.append(nbformat.v4.new_markdown_cell(cell))
            continue
        source, *outputs = cell
        shown = [o if isinstance(o, nbformat.NotebookNode) else display(o) for o in outputs]
        made.append(nbformat.v4.new_code_cell(source, outputs=shown))
    widgets = {"widgets": {"application/vnd.jupyter.widget-state+json": {}}}
    return nbformat.v4.new_notebook(cells=made, metadata=widgets)
