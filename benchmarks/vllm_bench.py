"""Arguments of `vllm bench serve`, for the scripts that measure beside it."""

from __future__ import annotations

from typing import Any


def argv(base_url: str, model: str, served: str, load: dict[str, Any], seed: int) -> list[str]:
    """Arguments of `vllm bench serve` for one point.

    Args:
        load: `input_len`, `output_len` (tokens), `num_prompts`; `max_concurrency` for a closed loop or
            `request_rate` (req/s) for Poisson arrivals; `warmups`, requests sent before and not counted; `slo`,
            limits in ms by metric, for the goodput; `prompts`, a JSONL file of texts to send in its order in place of
            random ones.
    """
    found = [
        "--backend", "vllm", "--base-url", base_url, "--endpoint", "/v1/completions",
        "--model", model, "--served-model-name", served,
        "--num-prompts", str(load["num_prompts"]), "--ignore-eos", "--temperature", "0", "--seed", str(seed),
        "--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "90,99",
        "--disable-tqdm", "--save-detailed",
    ]  # fmt: skip
    if path := load.get("prompts"):
        found += [
            "--dataset-name",
            "custom",
            "--dataset-path",
            str(path),
            "--custom-output-len",
            str(load["output_len"]),
        ]
        found += ["--skip-chat-template", "--disable-shuffle"]
    else:
        found += ["--dataset-name", "random", "--random-input-len", str(load["input_len"])]
        found += ["--random-output-len", str(load["output_len"])]
    if load.get("max_concurrency"):
        found += ["--max-concurrency", str(load["max_concurrency"])]
    if load.get("request_rate"):
        found += ["--request-rate", str(load["request_rate"])]
    if load.get("warmups"):
        found += ["--num-warmups", str(load["warmups"])]
    if load.get("slo"):
        found += ["--goodput", *(f"{name}:{limit}" for name, limit in load["slo"].items())]
    return found
