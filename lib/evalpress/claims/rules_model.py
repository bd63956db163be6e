"""Invariants of the model, its memory, the versions, the settings and whatever a card prints twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from evalpress.claims.card import Card, Repeated
from evalpress.claims.finding import Finding, judge
from evalpress.claims.interval import Interval, Published, exact, parse
from evalpress.core.units import GIB
from evalpress.platforms import versions

_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
_QKV_BIAS = {
    "Qwen2ForCausalLM": True,
    "Qwen3ForCausalLM": False,
    "LlamaForCausalLM": False,
    "MistralForCausalLM": False,
}
"""Architectures whose parameters and KV bytes follow from the printed configuration, and whether Q, K and V have
biases. Other architectures are not checked: their attention may have another shape."""
_HEAD_NORMS = {"Qwen3ForCausalLM": 2}
"""Norms of one head's width in each layer."""
_BESIDE_WEIGHTS = 1.15
"""An engine's figure for loaded weights includes buffers and a padded vocabulary: this much more is allowed."""
_SMALLEST_KV = 2
"""A KV cache in 8 bits holds twice the tokens of one in 16."""


def _config(card: Card) -> dict[str, int] | None:
    """The printed configuration; None where the arithmetic lacks a row or does not support the architecture."""
    needed = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    if card.model is None or not set(needed) <= set(card.model.config) or card.model.architecture not in _QKV_BIAS:
        return None
    found = {key: round(value.range.low) for key, value in card.model.config.items()}
    found.setdefault("num_key_value_heads", found["num_attention_heads"])
    found.setdefault("head_dim", found["hidden_size"] // found["num_attention_heads"])
    return found


def parameter_count(card: Card) -> int | None:
    """Parameters by the printed configuration: embedding, Q, K, V, O, gated MLP, two norms per layer, final norm."""
    c = _config(card)
    if c is None or card.model is None:
        return None
    hidden, head = c["hidden_size"], c["head_dim"]
    queries, kv = head * c["num_attention_heads"], head * c["num_key_value_heads"]
    biases = (queries + 2 * kv) if _QKV_BIAS[card.model.architecture] else 0
    norms = _HEAD_NORMS.get(card.model.architecture, 0) * head
    attention = 2 * hidden * queries + 2 * hidden * kv + biases + norms
    layer = attention + 3 * hidden * c["intermediate_size"] + 2 * hidden
    embeddings = c["vocab_size"] * hidden * (1 if card.model.tie_word_embeddings else 2)
    return embeddings + c["num_hidden_layers"] * layer + hidden


def kv_bytes_per_token(card: Card) -> int | None:
    """2 x layers x KV heads x head dimension x bytes, in the card's dtype."""
    c = _config(card)
    if c is None or card.model is None:
        return None
    return 2 * c["num_hidden_layers"] * c["num_key_value_heads"] * c["head_dim"] * _BYTES[card.model.dtype]


def parameters(card: Card) -> Iterator[Finding]:
    """The printed parameter counts are those of the printed configuration."""
    count = parameter_count(card)
    for printed in card.model.parameters if card.model and count else ():
        yield judge(
            f"model.parameters.{printed.text}",
            "parameters = what the printed configuration adds up to (tied embedding once)",
            printed.text,
            f"{count:,}",
            holds=printed.range.meets(exact(count or 0)),
            why="another configuration, or another count",
        )


def heads(card: Card) -> Iterator[Finding]:
    """Heads divide the hidden size, KV heads the heads, devices both."""
    c = _config(card)
    if c is None:
        return
    stated = card.model is not None and "head_dim" in card.model.config
    width = stated or c["hidden_size"] % c["num_attention_heads"] == 0
    whole = width and c["num_attention_heads"] % c["num_key_value_heads"] == 0
    shown = f"{c['hidden_size']}, {c['num_attention_heads']}, {c['num_key_value_heads']}"
    yield judge(
        "model.heads",
        "hidden size / heads (unless the head width is stated) and heads / KV heads are whole numbers",
        shown,
        "whole",
        holds=whole,
        why="no such attention",
    )
    for size in card.settings.tensor_parallel_size:
        yield judge(
            f"settings.tensor_parallel_size.{size}",
            "tensor parallelism divides the attention heads",
            f"devices: {size}, heads: {c['num_attention_heads']}",
            "a divisor of the heads",
            holds=c["num_attention_heads"] % size == 0,
            why="vLLM refuses to start",
        )


def context(card: Card) -> Iterator[Finding]:
    """The engine's context is within the model's."""
    c, length = _config(card), card.settings.max_model_len
    if c is None or length is None or "max_position_embeddings" not in c:
        return
    limit, used = c["max_position_embeddings"], round(length.range.low)
    name, statement = "settings.max_model_len", "max_model_len <= max_position_embeddings"
    found, expected = f"{used:,}", f"at most {limit:,}"
    if used > limit:
        why = "only with a scaling of its positions (rope_scaling), which the card does not print"
        yield Finding(name, "note", statement, found, expected, why)
    elif used < limit:
        why = (
            f"every figure is for contexts up to {used:,} tokens, {used / limit:.1%} of what the model is said to read"
        )
        yield Finding(name, "note", statement, found, expected, why)
    else:
        yield Finding(name, "ok", statement, found, expected)


def weights(card: Card) -> Iterator[Finding]:
    """Printed sizes of the weights are parameters x bytes per parameter."""
    count = parameter_count(card)
    for printed in card.memory.weights if card.model and count else ():
        size = float((count or 0) * _BYTES[card.model.dtype]) if card.model else 0.0
        yield _size(f"memory.weights.{printed.text.replace(' ', '')}", printed, size)


def _size(name: str, printed: Published, size: float) -> Finding:
    """A byte count against a printed size, which may mean binary units, and may be rounded up as `ls -h` does."""
    statement = "size of the weights = parameters x bytes per parameter"
    expected = f"{size:,.0f} bytes = {size / 1e6:.1f} MB = {size / 2**20:.1f} MiB"
    up = Interval(printed.binary.low - (printed.binary.high - printed.binary.low) / 2, printed.binary.high)
    if printed.range.meets(exact(size)):
        return Finding(name, "ok", statement, printed.text, expected)
    if printed.binary.meets(exact(size)):
        why = "only if the unit is the binary one (MiB, GiB)"
        return Finding(name, "note", statement, printed.text, expected, why)
    if up.meets(exact(size)):
        why = "only if the unit is the binary one and the size was rounded up, as `ls -h` and `du -h` do"
        return Finding(name, "note", statement, printed.text, expected, why)
    if exact(size).low < printed.range.low <= size * _BESIDE_WEIGHTS:
        why = "more than the weights alone: only if buffers or a padded vocabulary are counted with them"
        return Finding(name, "note", statement, printed.text, expected, why)
    return Finding(name, "broken", statement, printed.text, expected, "neither decimal nor binary units give it")


def kv_cache(card: Card) -> Iterator[Finding]:
    """KV tokens x bytes per token fit into memory x utilisation less the weights."""
    each, count, tokens = kv_bytes_per_token(card), parameter_count(card), card.memory.kv_cache_tokens
    share, memory = card.settings.gpu_memory_utilization, card.environment and card.environment.device_memory
    if not (each and count and tokens and share and memory and card.model):
        return
    need = tokens.range.scaled(each)
    size = float(count * _BYTES[card.model.dtype])
    decimal, binary = (room.scaled(share) - exact(size) for room in (memory.range, memory.binary))
    statement = "KV tokens x KV bytes per token <= device memory x utilisation - weights"
    found = f"{tokens.text} x {each:,} bytes = {need.low / GIB:.2f} GiB"
    name = "memory.kv_cache"
    if need.low <= decimal.high:
        yield Finding(name, "ok", statement, found, f"at most {decimal.high / GIB:.2f} GiB")
    elif need.low <= binary.high:
        why = f"only if {memory.text} means GiB; in units of 1e9 bytes there would be {decimal.high / GIB:.2f} GiB"
        yield Finding(name, "note", statement, found, f"at most {binary.high / GIB:.2f} GiB", why)
    else:
        yield _too_many(card, name, statement, found, need.low, binary.high)


def _too_many(card: Card, name: str, statement: str, found: str, need: float, room: float) -> Finding:
    """A KV cache that does not fit one device in the card's dtype: it may fit several devices, or fewer bits."""
    devices = max(card.settings.tensor_parallel_size, default=1)
    expected = f"at most {room / GIB:.2f} GiB"
    if need <= room * devices:
        why = f"only over the {devices} devices that the card also names; it does not say on how many this was read"
        return Finding(name, "note", statement, found, expected, why)
    if need <= room * _SMALLEST_KV:
        why = "only with a KV cache of 8 bits, which the card does not mention"
        return Finding(name, "note", statement, found, expected, why)
    return Finding(name, "broken", statement, found, expected, "it does not fit")


def version_set(card: Card) -> Iterator[Finding]:
    """The printed versions belong together, by vLLM-Ascend's release table."""
    if card.environment is None:
        return
    printed = {**card.environment.versions, "vllm_distribution": None}
    for row in versions.check(printed, card.environment.backend, lambda _: ()):
        if card.environment.versions.get(row.component) is None:
            continue
        status: Any = {"ok": "ok", "warn": "note", "fail": "broken"}[row.status]
        why = "" if status == "ok" else f"{row.why}: these versions cannot have run together ({row.source})"
        if status == "note":
            why = f"{row.why} ({row.source})"
        statement = "vLLM, its plugin, torch, torch-npu and CANN are one matched set"
        yield Finding(f"environment.{row.component}", status, statement, str(row.found), row.expected, why)


def settings_read(card: Card) -> Iterator[Finding]:
    """A variable whose name contains the plugin's name is read by the plugin."""
    record = json.loads((files("evalpress") / "launch" / "vllm_ascend.json").read_text(encoding="utf-8"))
    release = f"vllm-ascend {record['version']}"
    if card.environment is None or card.environment.versions.get("vllm_ascend") != record["version"]:
        return
    for name, value in card.settings.env.items():
        if name.startswith("VLLM_ASCEND_"):
            yield judge(
                f"settings.env.{name}",
                "a variable that is set is read by something",
                f"{name}={value}, read by nothing in {release}",
                f"a variable that {release} reads",
                holds=name in record["reads"],
                why="setting it changes nothing",
            )


def remote_code(card: Card) -> Iterator[Finding]:
    """A model that needs no adaptation needs no code from its folder."""
    if card.model and card.model.adaptation == "none" and card.settings.trust_remote_code:
        yield Finding(
            "settings.trust_remote_code",
            "note",
            "a model that needed no adaptation needs no code from its folder",
            "trust_remote_code is on",
            "off",
            f"{card.model.architecture} is said to run as it is: the setting only lets a download run code",
        )


def commands(card: Card) -> Iterator[Finding]:
    """A backslash continues a line only when it is the last character of the line.

    A backslash inside a word, as in `My\\ Folder`, is an escaped blank and correct.
    """
    for command in card.commands:
        odd = [line.strip() for line in command.text.splitlines() if re.search(r"(^|\s)\\[ \t]", line)]
        yield judge(
            f"commands.{command.what.replace(' ', '_')}",
            "a backslash that continues a line is its last character",
            f"{odd[0]!r}" if odd else "no such line",
            "nothing after the backslash",
            holds=not odd,
            why="the shell ends the command there, and takes the next lines for commands of their own",
        )


def repeated(card: Card) -> Iterator[Finding]:
    """What is printed in several places is the same in all."""
    for item in card.repeated:
        places = "; ".join(f"{value} ({where})" for value, where in zip(item.values, item.where, strict=False))
        yield judge(
            f"repeated.{item.what.replace(' ', '_')}",
            "one thing printed twice has one value",
            places,
            "values that can be equal",
            holds=_compatible(item),
            why="at most one of them can be right, or they are not of the same thing",
        )


def _compatible(item: Repeated) -> bool:
    try:
        found = [parse(value).range for value in item.values]
    except ValueError:
        return len(set(item.values)) == 1
    return max(interval.low for interval in found) <= min(interval.high for interval in found)


RULES = (
    parameters,
    heads,
    context,
    weights,
    kv_cache,
    version_set,
    settings_read,
    remote_code,
    commands,
    repeated,
)
