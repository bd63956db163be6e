"""Published numbers: their intervals, every rule with a planted fault, and what is wrong with the published card."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evalpress import claims
from evalpress.claims import rules_model
from evalpress.claims.interval import Interval, exact, parse
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from hypothesis import given
from hypothesis import strategies as st

CARD = ROOT / "params" / "claims" / "qwen2-0.5b-ascend910-card.yaml"

SOUND: dict[str, Any] = {
    "source": {"title": "A card", "publisher": "somebody", "document": "README", "language": "en"},
    "model": {
        "name": "Tiny",
        "architecture": "Qwen2ForCausalLM",
        "parameters": ["494M"],
        "dtype": "bfloat16",
        "adaptation": "none",
        "config": {
            "hidden_size": "896",
            "intermediate_size": "4864",
            "num_hidden_layers": "24",
            "num_attention_heads": "14",
            "num_key_value_heads": "2",
            "vocab_size": "151,936",
            "max_position_embeddings": "4,096",
        },
        "tie_word_embeddings": True,
    },
    "environment": {
        "backend": "ascend",
        "device": "NPU",
        "device_memory": "64 GB",
        "versions": {"vllm": "0.18.0", "vllm_ascend": "0.18.0rc1", "torch": "2.9.0", "cann": "8.5.1"},
    },
    "settings": {
        "max_model_len": "4096",
        "gpu_memory_utilization": 0.9,
        "tensor_parallel_size": [2],
        "env": {"VLLM_ASCEND_ENABLE_NZ": "1"},
    },
    "comparison": [
        {"metric": "output_throughput", "eager": "100.0 tok/s", "compiled": "150.0 tok/s", "gain": "+50%"},
        {"metric": "request_throughput", "eager": "2.00 req/s", "compiled": "3.00 req/s", "gain": "+50%"},
        {"metric": "load_time", "eager": "10.0s", "compiled": "16.0s"},
    ],
    "speed": {
        "prefill": {"input_len": "1,000", "output_len": "11", "rate": "900 tok/s"},
        "decode": {"output_len": "100", "rate": "99 tok/s"},
        "ttft": {"mean": "20ms", "min": "19ms", "max": "25ms"},
        "e2e": [
            {"output_len": "10", "time": "0.12s", "rate": "83 tok/s"},
            {"output_len": "100", "time": "1.02s", "rate": "98.0 tok/s"},
        ],
    },
    "memory": {"weights": ["988 MB", "0.99 GB"], "kv_cache_tokens": "4,000,000 tokens"},
    "startup": {
        "eager": "10.0s",
        "compiled": [{"value": "16.0s", "where": "table"}],
        "parts": [{"name": "compile", "value": "6.0s"}],
    },
    "evidence": {
        "count": "2",
        "fastest": "50ms",
        "slowest": "100ms",
        "cases": [
            {"prompt": "The capital of France is", "output": "Paris.", "latency": "0.06s"},
            {"prompt": "The symbol for water is", "output": "H2O", "latency": "0.09s"},
        ],
    },
    "logits": {
        "reference": "CPU",
        "candidate": "NPU",
        "overall": {"top1": "50.0%", "top1_matches": "1", "top5": "90.0%", "cosine": "0.9985", "mse": "0.02"},
        "prompts": [
            {
                "prompt": "The capital of  France is",
                "reference": {"text": " Paris", "id": 12},
                "candidate": {"text": " Paris", "id": 12},
                "match": True,
                "top5": "100%",
                "cosine": "0.9990",
            },
            {
                "prompt": "1 + 1 =",
                "reference": {"text": " 2", "id": 7},
                "candidate": {"text": " 3", "id": 8},
                "match": False,
                "top5": "80%",
                "cosine": "0.9980",
            },
        ],
    },
    "commands": [{"what": "serve", "text": "vllm serve \\\n  --port 8000"}],
    "repeated": [{"what": "ttft", "values": ["20ms", "0.02s"], "where": ["a", "b"]}],
}


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
    ("text", "low", "high", "unit"),
    [
        ("0.41s", 0.405, 0.415, "s"),
        ("25.8ms", 0.02575, 0.02585, "s"),
        ("3,411.4 toks/s", 3411.35, 3411.45, "tok/s"),
        ("+54%", 0.535, 0.545, "share"),
        ("-42%", -0.425, -0.415, "share"),
        ("~15s", 14, 16, "s"),
        ("~2.65s", 2.64, 2.66, "s"),
        ("494M", 493.5e6, 494.5e6, "count"),
        ("4,437,760 tokens", 4437760, 4437760, "count"),
        ("24", 24, 24, "count"),
        ("0.9994", 0.99935, 0.99945, "count"),
        ("1.0 GiB", 0.95 * 2**30, 1.05 * 2**30, "bytes"),
    ],
)
def test_a_published_number_is_what_its_digits_allow(text: str, low: float, high: float, unit: str) -> None:
    found = parse(text)
    assert (found.range.low, found.range.high) == pytest.approx((low, high))
    assert found.unit == unit


@pytest.mark.parametrize("text", ["", "fast", "5 apples", "1e3 s", "1,23", "12:30", "--5", "5 s s", "1_000", "٣ s"])
def test_what_is_no_published_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed a number"):
        parse(text)


def test_decimal_units_may_mean_binary_ones() -> None:
    assert parse("61.27GB").binary.low == pytest.approx(61.265 * 2**30)
    assert parse("1 GiB").binary == parse("1 GiB").range


NUMBERS = st.floats(-100, 100)
INTERVALS = st.tuples(NUMBERS, NUMBERS).map(lambda ends: Interval(min(ends), max(ends)))


@given(INTERVALS, INTERVALS, st.floats(0, 1), st.floats(0, 1))
def test_interval_arithmetic_holds_every_value(a: Interval, b: Interval, s: float, t: float) -> None:
    x, y = min(a.low + s * (a.high - a.low), a.high), min(b.low + t * (b.high - b.low), b.high)
    assert (a + b).meets(exact(x + y))
    assert (a - b).meets(exact(x - y))
    assert (a * b).meets(exact(x * y))
    if b.low > 1e-3 or b.high < -1e-3:
        assert (a / b).meets(exact(x / y))


def test_intervals_meet_when_they_share_a_value() -> None:
    assert Interval(0, 1).meets(Interval(1, 2))
    assert not Interval(0, 1).meets(Interval(1.001, 2))
    assert Interval(0, 3).meets(Interval(1, 2))
    with pytest.raises(ZeroDivisionError):
        Interval(0, 1) / Interval(-1, 1)
    assert math.isclose((exact(1) / exact(4)).low, 0.25)


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
