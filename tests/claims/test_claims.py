"""Published numbers: every rule with a planted fault, and what is wrong with the published card."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from claims_samples import SOUND
from evalpress import claims
from evalpress.claims import rules_model
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT

CARD = ROOT / "params" / "claims" / "qwen2-0.5b-ascend910-card.yaml"


def audit(tmp_path: Path, change: Callable[[Any], None] | None = None) -> dict[str, claims.Finding]:
    card = copy.deepcopy(SOUND)
    if change:
        change(card)
    path = tmp_path / "card.yaml"
    path.write_text(json.dumps(card), encoding="utf-8")
    found = claims.audit(path)
    by_id = {finding.id: finding for finding in found}
    assert len(by_id) == len(found), "ids are unique"
    return by_id


def put(*at: Any) -> Callable[[Any], None]:
    """A change that sets the value at a path."""
    *where, key, value = at

    def change(card: Any) -> None:
        for step in where:
            card = card[step]
        card[key] = value

    return change


def test_a_sound_card_passes_every_rule(tmp_path: Path) -> None:
    found = audit(tmp_path)
    assert {name: f for name, f in found.items() if f.status != "ok"} == {}
    assert len(found) > 30
    assert all(f.statement and f.found and f.expected for f in found.values())


PLANTED = [
    ("model.parameters.495M", "broken", put("model", "parameters", ["495M"])),
    ("model.heads", "broken", put("model", "config", "num_attention_heads", "13")),
    ("settings.tensor_parallel_size.4", "broken", put("settings", "tensor_parallel_size", [4])),
    ("settings.max_model_len", "note", put("settings", "max_model_len", "8192")),
    ("memory.weights.1.1GB", "note", put("memory", "weights", ["1.1 GB"])),
    ("memory.weights.0.8GB", "broken", put("memory", "weights", ["0.8 GB"])),
    ("settings.max_model_len", "note", put("settings", "max_model_len", "2048")),
    ("memory.weights.1.2GB", "broken", put("memory", "weights", ["1.2 GB"])),
    ("memory.weights.942MB", "note", put("memory", "weights", ["942MB"])),
    ("memory.weights.943MB", "note", put("memory", "weights", ["943MB"])),
    ("memory.kv_cache", "broken", put("memory", "kv_cache_tokens", "20,000,000 tokens")),
    ("memory.kv_cache", "note", put("memory", "kv_cache_tokens", "6,000,000 tokens")),
    ("memory.kv_cache", "note", put("memory", "kv_cache_tokens", "4,700,000 tokens")),
    ("environment.torch", "broken", put("environment", "versions", "torch", "2.5.1")),
    ("environment.cann", "note", put("environment", "versions", "cann", "8.5.2")),
    ("settings.env.VLLM_ASCEND_MODE", "broken", put("settings", "env", {"VLLM_ASCEND_MODE": "1"})),
    ("settings.trust_remote_code", "note", put("settings", "trust_remote_code", True)),
    ("commands.serve", "broken", put("commands", 0, "text", "vllm serve \\ # one card\n  --port 8000")),
    ("commands.serve", "broken", put("commands", 0, "text", "vllm serve \\ \n  --port 8000")),
    ("repeated.ttft", "broken", put("repeated", 0, "values", ["20ms", "22ms"])),
    ("repeated.ttft", "broken", put("repeated", 0, "values", ["Ascend", "Ascord"])),
    ("comparison.output_throughput.gain", "broken", put("comparison", 0, "gain", "+52%")),
    ("comparison.tokens_per_request", "note", put("comparison", 1, "eager", "2.02 req/s")),
    ("speed.ttft.order", "broken", put("speed", "ttft", "mean", "27ms")),
    ("speed.e2e.100.rate", "broken", put("speed", "e2e", 1, "rate", "99.0 tok/s")),
    ("speed.e2e.10.order", "broken", put("speed", "ttft", {"mean": "1s", "min": "1s", "max": "1s"})),
    ("speed.decode.concurrency", "note", put("speed", "decode", "rate", "367.5 tok/s")),
    ("comparison.output_throughput.eager.concurrency", "note", put("comparison", 0, "eager", "150.0 tok/s")),
    ("speed.prefill.basis", "note", put("speed", "prefill", "rate", "16,871.6 tok/s")),
    ("startup.compiled.1.over_eager", "note", put("startup", "compiled", 0, "value", "15.0s")),
    ("startup.compiled.1.parts", "broken", put("startup", "compiled", 0, "value", "5.0s")),
    ("startup.compiled.1.unaccounted", "note", put("startup", "compiled", 0, "value", "20.0s")),
    ("startup.eager.same", "broken", put("startup", "eager", "9.0s")),
    ("evidence.count", "broken", put("evidence", "count", "3")),
    ("evidence.latencies", "broken", put("evidence", "cases", 1, "latency", "0.12s")),
    ("logits.The_capital_of_France_is.cosine_range", "broken", put("logits", "prompts", 0, "cosine", "1.0009")),
    ("logits.cosine_mean", "broken", put("logits", "overall", "cosine", "0.9990")),
    ("logits.top1", "broken", put("logits", "overall", "top1", "60.0%")),
    ("logits.top1_matches", "broken", put("logits", "overall", "top1_matches", "2")),
    ("logits.top5", "broken", put("logits", "overall", "top5", "91.0%")),
    ("logits.1_1.top5", "broken", put("logits", "prompts", 1, "top5", "85%")),
    ("logits.1_1.match", "broken", put("logits", "prompts", 1, "match", True)),
    ("logits.token_ids", "broken", put("logits", "prompts", 1, "candidate", {"text": " 4", "id": 7})),
    (
        "logits.The_capital_of_France_is.first_token",
        "broken",
        put("evidence", "cases", 0, "output", "Human"),
    ),
    (
        "logits.The_capital_of_France_is.first_token",
        "note",
        put("logits", "prompts", 0, "candidate", {"text": " Lyon", "id": 13}),
    ),
    ("logits.mse", "broken", put("logits", "overall", "mse", "-0.02")),
]


@pytest.mark.parametrize(("name", "status", "change"), PLANTED, ids=[f"{row[0]}-{row[1]}" for row in PLANTED])
def test_planted_faults_are_found(tmp_path: Path, name: str, status: str, change: Callable[[Any], None]) -> None:
    finding = audit(tmp_path, change)[name]
    assert finding.status == status
    assert finding.why


def _qwen3(card: Any) -> None:
    """The published shape of Qwen3-0.6B: heads of 128 beside a hidden size of 1,024, norms of Q and K."""
    card["model"] |= {"architecture": "Qwen3ForCausalLM", "parameters": ["0.6B", "596M"]}
    card["model"]["config"] |= {
        "hidden_size": "1024",
        "intermediate_size": "3072",
        "num_hidden_layers": "28",
        "num_attention_heads": "16",
        "num_key_value_heads": "8",
        "head_dim": "128",
    }
    card["memory"] = {"weights": ["1.19 GB"], "kv_cache_tokens": "400,000 tokens"}


def _rows_of_many(card: Any) -> None:
    card["logits"]["overall"] |= {
        "of": "100",
        "top1": "97.0%",
        "top1_matches": "97",
        "top5": "99.0%",
        "cosine": "0.9999",
    }


FAIR: dict[str, Callable[[Any], None]] = {
    "an explicit head width": _qwen3,
    "heads that do not divide the hidden size, with their width": lambda card: (
        _qwen3(card),
        card["model"].update(parameters=[]),
        card["model"]["config"].update(hidden_size="1000"),
        card["memory"].update(weights=[]),
    ),
    "an attention that is shaped otherwise": lambda card: (
        card["model"].update(architecture="DeepseekV2ForCausalLM", parameters=["16B"]),
        card["memory"].update(weights=["31 GB"], kv_cache_tokens="9,000,000 tokens"),
    ),
    "the gain of a time as the share that is saved": lambda card: card["comparison"].append(
        {"metric": "ttft", "eager": "20.0ms", "compiled": "15.0ms", "gain": "+25%"}
    ),
    "the gain of a time as how much faster": lambda card: card["comparison"].append(
        {"metric": "ttft", "eager": "20.0ms", "compiled": "15.0ms", "gain": "33%"}
    ),
    "a compiled start from a warm cache": put("startup", "compiled", 0, "value", "12.0s"),
    "parts that hold each other": put(
        "startup", "parts", [{"name": "compile", "value": "14.0s"}, {"name": "Dynamo in it", "value": "3.0s"}]
    ),
    "answers of different lengths": lambda card: card["comparison"][1].update(eager="2.02 req/s", gain="+48.5%"),
    "averages over more prompts than are printed": _rows_of_many,
    "a token as the tokenizer's file spells it": lambda card: [
        card["logits"]["prompts"][0][side].update(text="ĠParis") for side in ("reference", "candidate")
    ],
    "an answer that ends within its first token": put("evidence", "cases", 0, "output", "Par"),
    "a blank within a word": put("commands", 0, "text", "vllm serve My\\ Models/qwen \\\n  --port 8000"),
    "positions scaled beyond the model's": put("settings", "max_model_len", "16384"),
    "a cache over two devices": put("memory", "kv_cache_tokens", "8,000,000 tokens"),
}


@pytest.mark.parametrize("change", FAIR.values(), ids=FAIR)
def test_what_can_be_true_is_never_called_broken(tmp_path: Path, change: Callable[[Any], None]) -> None:
    assert {name: f for name, f in audit(tmp_path, change).items() if f.status == "broken"} == {}


def test_a_mean_of_impossible_cosines_is_found(tmp_path: Path) -> None:
    def change(card: Any) -> None:
        card["logits"]["prompts"][0]["cosine"] = "1.0010"
        card["logits"]["overall"]["cosine"] = "0.9995"

    found = audit(tmp_path, change)
    assert found["logits.cosine_mean"].status == "ok"
    assert found["logits.cosine_mean_possible"].status == "broken"


def test_the_same_arg_max_for_different_answers_is_noted(tmp_path: Path) -> None:
    def change(card: Any) -> None:
        row = copy.deepcopy(card["logits"]["prompts"][0])
        card["logits"]["prompts"].append(row | {"prompt": "The symbol for water is"})

    assert audit(tmp_path, change)["logits.same_arg_max.12"].status == "note"


def test_blocks_that_a_card_lacks_are_not_audited(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(json.dumps({"source": SOUND["source"]}), encoding="utf-8")
    assert claims.audit(path) == []


def test_the_published_card() -> None:
    found = claims.audit(CARD)
    broken = {finding.id for finding in found if finding.status == "broken"}
    assert broken == {
        "environment.torch",
        "settings.env.VLLM_ASCEND_MODE",
        "commands.serving_on_two_devices",
        "repeated.start_of_the_compiled_mode",
        "repeated.the_repository's_name",
        "logits.The_capital_of_France_is.cosine_range",
        "logits.2_3_4.cosine_range",
        "logits.cosine_mean_possible",
        "logits.The_capital_of_France_is.first_token",
        "logits.The_chemical_symbol_for_water_is.first_token",
        "logits.def_hello_name_return.first_token",
        "logits.中国的首都是.first_token",
    }
    notes = {finding.id for finding in found if finding.status == "note"}
    assert {"speed.decode.concurrency", "settings.trust_remote_code", "memory.kv_cache", "memory.weights.943MB"} < notes
    assert [f.status for f in found] == sorted((f.status for f in found), key=["broken", "note", "ok"].index)
    assert json.loads(json.dumps(found[0].as_dict()))["status"] == "broken"


def test_the_card_is_transcribed_as_printed() -> None:
    card = claims.load(CARD)
    assert rules_model.parameter_count(card) == 494_032_768
    assert rules_model.kv_bytes_per_token(card) == 12_288
    assert [row.gain.text if row.gain else None for row in card.comparison] == ["+54%", "+54%", "-42%", None]
    assert len(card.evidence.cases) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("speed", "ttft", "mean", 20), "speed.ttft.mean: found 20, allowed the number as it was printed"),
        (put("speed", "ttft", "mean", "20 apples"), "speed.ttft.mean: found '20 apples', allowed a number"),
        (put("speed", "ttft", "mean", "20 MB"), "speed.ttft.mean: found '20 MB', allowed a number in s"),
        (put("speed", "tttf", {}), "speed.tttf: unknown key"),
        (put("model", "dtype", "int3"), "model.dtype: "),
    ],
)
def test_mistakes_in_a_file_are_told_in_one_line(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        audit(tmp_path, change)
    assert message in str(caught.value)
    assert str(caught.value).startswith("card.yaml:1: ")
    assert "\n" not in str(caught.value)
