"""How far correct implementations differ, and whether any of them raises an alarm; whether a swap of experts does.

    python benchmarks/correct_noise.py [NAME ...] [--seeds 20] [--dtypes bfloat16 float16] [--swap] [--out FILE.jsonl]

For every tiny model of `tiny_models.py` and every seed of its weights: the float32 reference, the noise floor, and the
correct implementations of `sections/alignment/implementations.py` (other attention, sums in halves and backwards, one
thread, experts in a loop and in reverse order), each judged by the alignment section's own comparison and gates.
Printed: per gate the number of alarms of how many runs, with the upper 95 % bound of their rate, and the largest ratios
to the noise floor, which the limits of gates.py and outliers.py are chosen from. --swap adds two swapped experts in one
layer, which must raise an alarm. --engine judges the real engine in their place: prefill, decode alone, among others,
with a prefill in pieces and from the prefix cache.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from evalpress.model import forward
from evalpress.params.schema import GateParams
from evalpress.sections.alignment import gates, implementations, layers
from evalpress.sections.alignment.baseline import NOISE_FLOOR, Text
from evalpress.sections.alignment.comparison import compare
from evalpress.sections.alignment.results import Run, Source
from evalpress.sections.evidence.comparing import rate_upper_95
from tiny_configs import VOCABULARY
from tiny_models import build, params_file

LENGTHS = (9, 17, 30, 48, 64, 90)
ROUTED = ("mixtral", "qwen3-moe", "deepseek-v2", "olmoe", "ernie45-moe", "gpt-oss")
DENSE = ("llama-rope", "qwen2", "qwen3", "gemma2", "gpt2", "opt", "phi3", "cohere")
SWAPPED = "two experts swapped"


def texts_of(seed: int) -> list[Text]:
    """Random token ids: one text of each length, the shortest a prompt."""
    rng = np.random.default_rng(seed)
    kinds = ("prompt", *["text"] * (len(LENGTHS) - 1))
    pairs = enumerate(zip(LENGTHS, kinds, strict=True))
    return [
        Text(str(n), "", kind, "en", tuple(rng.integers(0, VOCABULARY, size).tolist())) for n, (size, kind) in pairs
    ]


def logits(run: forward.Pass, texts: list[Text]) -> dict[str, forward.TextLogits]:
    ids = {text.id: text.token_ids for text in texts}
    return dict(forward.forward(run, ids, {name: range(len(tokens)) for name, tokens in ids.items()}))


def swap_experts(model: Any) -> None:
    """The two first experts of the last layer in each other's place."""
    for weight in implementations._experts(model)[-1].parameters(recurse=False):
        weight.data[[0, 1]] = weight.data[[1, 0]]


def judged(folder: Path, dtype: str, seed: int, *, swap: bool) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Implementation -> its run's data and its gates."""
    texts = texts_of(seed)
    with forward.loaded(folder, "float32") as run:
        attentions = forward.right_attentions(run, texts[-1].token_ids).names
        reference = logits(run, texts)
    with forward.loaded(folder, dtype, attention=attentions[0]) as run:
        routed = bool(layers.routers(layers.stages(run.model)))
        candidates = {}
        for name, context in implementations.named(run.model, attentions).items():
            if name.endswith("one thread"):
                continue  # as all are here
            with context():
                candidates[name] = logits(run, texts)
        if swap and routed:
            swap_experts(run.model)
            candidates[SWAPPED] = logits(run, texts)
    floor = candidates.pop(next(iter(candidates)))
    described = dict.fromkeys((NOISE_FLOOR, *candidates), Source(engine="transformers", dtype=dtype))
    parts = {name: found.items() for name, found in candidates.items()}
    data = compare(reference, floor.items(), parts, texts, str, described, dtype=dtype, routed=lambda: routed)
    for name, found in data.candidates.items():
        every = gates.agreement(GateParams(), name, found, data.noise_floor)
        mine = {gate.id.removeprefix(f"{name}."): gate.status for gate in every}
        yield name, {**_ratios(found, data.noise_floor), "positions": found.n_positions}, mine


def engine_judged(name: str, folder: Path, dtype: str) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """The runs of vLLM on one model, eager, in this process."""
    from evalpress import params
    from evalpress.model import chat
    from evalpress.sections.alignment import section
    from evalpress.sections.alignment.passes import every_pass

    stated = params.load(str(params_file(name, folder, serving=False)))
    longer = stated.alignment.model_copy(update={"max_position": 200, "decode_tokens": 16})
    update = {"engine": stated.engine.model_copy(update={"dtype": dtype}), "alignment": longer}
    p = stated.model_copy(update=update)
    texts = section.tokenised(p, chat.load_tokenizer(p))
    asked = section.ask_engines(p, texts)
    request = section.request_of(p, texts, asked.answers)
    data = section.judge(p, texts, str, asked, request, every_pass(request), lambda _: "none")
    every = list(gates.gates(p, data))
    runs = data.candidates | {f"decode.{run}": found for run, found in data.decode.items()}
    for run, found in runs.items():
        mine = {g.id.removeprefix(f"{run}."): g.status for g in every if g.id.rpartition(".")[0] == run}
        yield run, {**_ratios(found, data.noise_floor), "positions": found.n_positions}, mine


def _ratios(run: Any, floor: Run) -> dict[str, float]:
    """Distance of the run from the reference, in units of the noise floor; of experts: at settled positions."""
    judged, kl, cosine = run, floor.kl_divergence, floor.cosine_similarity
    if judged.settled is not None:
        judged = run.settled
        kl, cosine = judged.noise_floor_kl_divergence, judged.noise_floor_cosine_similarity
    return {
        "kl": judged.kl_divergence / kl,
        "cosine": (1 - judged.cosine_similarity) / max(1e-12, 1 - (cosine or 0.0)),
        "rmse": judged.noise_ratio,
        "position": run.outliers.largest_ratio,
        "stand_out": run.outliers.count / run.n_positions,
        "text_share": run.outliers.text_share or 0.0,
        "floor_kl": kl,
        "kl_of_all": run.kl_divergence / floor.kl_divergence,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=[])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float16"])
    parser.add_argument("--swap", action="store_true")
    parser.add_argument("--engine", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    forward.reference_threads = lambda: nullcontext(1)  # type: ignore[assignment]  # tiny models: threads cost more time
    found: list[dict[str, Any]] = []
    for name in options.names or [*ROUTED, *DENSE]:
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                build(name, Path(folder) / "model", seed)
                for dtype in options.dtypes:
                    for implementation, ratios, status in (
                        engine_judged(name, Path(folder), dtype)
                        if options.engine
                        else judged(Path(folder) / "model", dtype, seed, swap=options.swap)
                    ):
                        head = {"model": name, "seed": seed, "dtype": dtype, "implementation": implementation}
                        found.append(head | {"ratios": ratios, "gates": status})
                        if options.out:
                            with options.out.open("a", encoding="utf-8") as file:
                                file.write(json.dumps(found[-1]) + "\n")
        print(summary(name, [row for row in found if row["model"] == name]), flush=True)
    print(total(found))
    return 0


def summary(name: str, rows: list[dict[str, Any]]) -> str:
    """One model: the largest ratios of correct runs, the smallest of a swap, and alarms."""
    sound = [row for row in rows if row["implementation"] != SWAPPED]
    swapped = [row for row in rows if row["implementation"] == SWAPPED]
    keys = ("kl", "cosine", "rmse", "position", "stand_out", "text_share", "kl_of_all")
    largest = ", ".join(f"{key} {max(row['ratios'][key] for row in sound):.2f}" for key in keys)
    said = f"{name}: {len(sound)} correct runs, largest ratio to the noise floor: {largest}"
    if swapped:
        smallest = ", ".join(f"{key} {min(row['ratios'][key] for row in swapped):.2f}" for key in keys)
        caught = sum("fail" in row["gates"].values() for row in swapped)
        said += f"; {caught} of {len(swapped)} swaps found, smallest ratios: {smallest}"
    return said


def total(rows: list[dict[str, Any]]) -> str:
    """Alarms of correct runs by gate and dtype, with the bound of their rate."""
    alarms: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["implementation"] != SWAPPED:
            for gate, status in row["gates"].items():
                alarms[row["dtype"], gate][status] += 1
    lines = [
        f"{dtype:<9} {gate:<20} fail {found['fail']} of {found.total()}, warn {found['warn']}, off {found['off']}; "
        f"rate of failing at most {rate_upper_95(found['fail'], found.total()):.2%} (95 %)"
        for (dtype, gate), found in sorted(alarms.items())
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
