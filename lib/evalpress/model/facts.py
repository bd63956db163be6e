"""Figures that follow from a model's architecture and weights: parameters, bytes, KV bytes, FLOPs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from evalpress.core.errors import UserError
from evalpress.model import config, counting, layers, weights
from evalpress.model.config import Configuration
from evalpress.model.counting import Counted
from evalpress.model.layers import Layer

BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
"""Bytes of one number in the engine's dtype."""
KV_BYTES = {**BYTES, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "fp8_inc": 1, "int8": 1}
"""Bytes of one number in the KV cache, by vLLM's names of `kv_cache_dtype`."""


@dataclass(frozen=True)
class ArchitectureFacts:
    """A causal language model's arithmetic, in the dtypes that the engine runs it in.

    Whatever cannot be known is None, and `why` says why under the field's name.
    """

    architecture: str | None
    dtype: str
    kv_dtype: str
    parameters: int | None
    """Parameters of the architecture, a tied tensor once; buffers and packed copies are none."""
    parameters_from: Literal["architecture", "weights"] | None
    embedding_parameters: int | None
    """The vocabulary's input table: vocabulary × its width."""
    head_parameters: int | None
    """The output matrix where it is a separate tensor; 0 where the embedding serves (`tied`)."""
    table_parameters: int
    """Further tables of which a token reads one row: positions, per-layer inputs."""
    tied: bool
    inactive_parameters: int | None
    """Parameters of the routed experts that one token does not use; 0 for a dense model."""
    experts: int
    experts_used: int | None
    weight_bytes: int | None
    """Bytes of the weights as the engine holds them: parameters × dtype, or the stored bytes of quantised weights."""
    layers: tuple[Layer, ...] | None = field(repr=False)
    reused: bool = False
    quantisation: str | None = None
    why: dict[str, str] = field(default_factory=dict, repr=False)

    def reasons(self) -> dict[str, str]:
        """Why a figure is None, by the figure's name; names of figures that are known may be there too."""
        counts = self.why.get("parameters") or self.why.get("inactive_parameters") or "the parameters are not known"
        cached = self.why.get("layers", "sparse attention: the engine lays its index caches out by itself")
        return {
            **dict.fromkeys(("active_parameters", "body_parameters", "embedding_parameters"), counts),
            **dict.fromkeys(("head_parameters", "parameters_from", "read_parameters", "read_bytes"), counts),
            **dict.fromkeys(("kv_values_per_token", "kv_bytes_per_token"), cached),
            "attention_width": self.why.get("layers", cached),
            "recurrent_values": self.why.get("layers", "config.json does not state the size of the state"),
            "flops_per_token": self.flops_unknown or "",
            "weight_mib": self.why.get("weight_bytes", counts),
            **self.why,
        }

    @property
    def active_parameters(self) -> int | None:
        """Parameters of one token's pass: all without the routed experts that it does not use."""
        return _difference(self.parameters, self.inactive_parameters)

    @property
    def body_parameters(self) -> int | None:
        """Parameters of the layers that a token passes: without vocabulary table, output matrix and idle experts."""
        return _difference(self.active_parameters, self.embedding_parameters, self.head_parameters)

    @property
    def read_parameters(self) -> int | None:
        """Parameters that one decode step reads whole: active ones without tables of which it reads one row."""
        table = 0 if self.tied else self.embedding_parameters
        return _difference(self.active_parameters, table, self.table_parameters)

    @property
    def read_bytes(self) -> int | None:
        """`read_parameters` in bytes; of quantised weights their share of the stored bytes."""
        if self.read_parameters is None or self.weight_bytes is None or not self.parameters:
            return None
        return round(self.weight_bytes * self.read_parameters / self.parameters)

    @property
    def kv_values_per_token(self) -> int | None:
        """Numbers that the KV cache holds per token while every layer reaches it."""
        if self.layers is None or any(layer.reach == "sparse" for layer in self.layers):
            return None
        return sum(layer.kv_values for layer in self.layers)

    @property
    def kv_bytes_per_token(self) -> int | None:
        """`kv_values_per_token` × bytes of the KV cache's dtype."""
        return None if self.kv_values_per_token is None else self.kv_values_per_token * KV_BYTES[self.kv_dtype]

    @property
    def kv_is_uniform(self) -> bool:
        """Whether every layer keeps the same KV for every token: no window, no layer without attention."""
        kept = {(layer.kv_values, layer.reach, layer.recurrent) for layer in self.layers or ()}
        return self.kv_values_per_token is not None and len(kept) == 1 and {k[1:] for k in kept} == {("full", False)}

    @property
    def recurrent_values(self) -> int | None:
        """Numbers of recurrent state per sequence, in place of or beside KV; 0 for attention alone."""
        found = [layer.state_values for layer in self.layers or ()]
        return None if self.layers is None or None in found else sum(value or 0 for value in found)

    @property
    def attention_width(self) -> int | None:
        """Σ over layers of heads × (query-key + value dimension) / 2: what a query touches per cached token."""
        return None if self.layers is None else sum(layer.width for layer in self.layers)

    @property
    def flops_unknown(self) -> str | None:
        """Why FLOPs do not follow from parameters and attention; None where they do."""
        if self.body_parameters is None:
            return self.why.get("parameters") or self.why.get("inactive_parameters") or "parameters are not known"
        if self.layers is None:
            return self.why.get("layers", "the layers are not known")
        if any(layer.recurrent for layer in self.layers):
            return "layers with a recurrent state: their operations do not follow from the parameters"
        if any(layer.reach == "sparse" for layer in self.layers):
            return "sparse attention: its operations depend on what the index selects"
        return "the architecture runs some of its parameters more than once per token" if self.reused else None

    def kv_bytes_read(self, context: float) -> float | None:
        """Bytes of KV cache that one generated token reads at `context` tokens, each layer within its window."""
        if self.kv_values_per_token is None:
            return None
        pairs = (layer.kv_values * min(context, layer.window or context) for layer in self.layers or ())
        return sum(pairs) * KV_BYTES[self.kv_dtype]

    def prefill_flops(self, tokens: int) -> int | None:
        """Floating-point operations of a prompt of `tokens`; None where `flops_unknown`.

        A multiply-add is two. 2 per body parameter and token (rows of tables apart); 4 × width per layer and
        pair of query and cached token (scores and weighted sum), causal and within the layer's window; the
        output matrix for the one position sampled.
        """
        if self.flops_unknown or self.body_parameters is None:
            return None
        body = 2 * (self.body_parameters - self.table_parameters) * tokens
        attention = sum(4 * layer.width * _pairs(tokens, layer) for layer in self.layers or ())
        return body + attention + 2 * self._output_matrix

    def decode_flops(self, context: int) -> int | None:
        """Floating-point operations of one generated token that attends to `context` tokens; None as above."""
        if self.flops_unknown or self.body_parameters is None:
            return None
        body = self.body_parameters - self.table_parameters + self._output_matrix
        return 2 * body + sum(4 * layer.width * _reached(context, layer) for layer in self.layers or ())

    def flops_per_token(self, tokens: int) -> float | None:
        """The prefill's floating-point operations per prompt token, for prompts of `tokens`."""
        found = self.prefill_flops(tokens)
        return None if found is None else found / tokens

    @property
    def _output_matrix(self) -> int:
        return self.head_parameters or self.embedding_parameters or 0


def _difference(first: int | None, *others: int | None) -> int | None:
    if first is None or None in others:
        return None
    return first - sum(other or 0 for other in others)


def _reached(context: int, layer: Layer) -> int:
    """Tokens that the newest of `context` tokens attends to, itself included."""
    if layer.window is None:
        return context
    return min(context, layer.window) if layer.reach == "sliding" else (context - 1) % layer.window + 1


def _pairs(tokens: int, layer: Layer) -> int:
    """Pairs of query and cached token in a causal pass over `tokens`."""
    window = min(layer.window or tokens, tokens)
    triangle = window * (window + 1) // 2
    if layer.reach == "chunked" and window:
        rest = tokens % window
        return tokens // window * triangle + rest * (rest + 1) // 2
    return triangle + (tokens - window) * window


def read(folder: Path, dtype: str, trust_remote_code: bool = False, kv_dtype: str | None = None) -> ArchitectureFacts:
    """The facts of the model in `folder` as the engine runs it.

    Args:
        folder: holds config.json and, where there are any, the weights.
        dtype: the engine's, a key of BYTES.
        kv_dtype: the KV cache's, a key of KV_BYTES; None or `auto`: what the checkpoint states, else the engine's.

    Raises:
        UserError: config.json or a weight file is missing or unreadable.
    """
    found = config.read(folder, trust_remote_code)
    why: dict[str, str] = {}
    counted, not_counted = counting.architecture(folder, trust_remote_code)
    stored = weights.stored(folder, bool(found.get("tie_word_embeddings")))
    if counted is None and stored is not None:
        counted = weights.counted(stored, found)
        source: Literal["architecture", "weights"] | None = "weights"
    else:
        source = None if counted is None else "architecture"
    if counted is None:
        why["parameters"] = f"{not_counted}, and there are no weights to count"
    quantisation = quantisation_method(found)
    inactive, used = _inactive(found, counted, why)
    return ArchitectureFacts(
        architecture=found.architecture,
        dtype=dtype,
        kv_dtype=_kv_dtype(found, dtype, kv_dtype),
        parameters=counted.parameters if counted else None,
        parameters_from=source,
        embedding_parameters=counted.embedding if counted else None,
        head_parameters=counted.head if counted else None,
        table_parameters=counted.tables if counted else 0,
        tied=counted.tied if counted else bool(found.get("tie_word_embeddings")),
        inactive_parameters=inactive,
        experts=max(counted.experts, default=0) if counted else found.whole("num_experts") or 0,
        experts_used=used,
        weight_bytes=_weight_bytes(counted, stored, quantisation, dtype, why),
        layers=_layers(found, why),
        reused=counted.reused if counted else False,
        quantisation=quantisation,
        why=why,
    )


def _layers(found: Configuration, why: dict[str, str]) -> tuple[Layer, ...] | None:
    try:
        return layers.of(found)
    except layers.UnknownLayersError as error:
        why["layers"] = str(error)
        return None


def _inactive(found: Configuration, counted: Counted | None, why: dict[str, str]) -> tuple[int | None, int | None]:
    """(parameters of routed experts that one token does not use, experts that it uses)."""
    if counted is None:
        why["inactive_parameters"] = why["parameters"]
        return None, None
    if not counted.experts:
        return 0, None
    stated = found.get("num_experts_per_tok")
    used = max(stated, default=None) if isinstance(stated, list) else stated
    if not isinstance(used, int):
        why["inactive_parameters"] = "config.json does not state how many experts a token uses"
        return None, None
    return sum(size * max(0, count - used) // count for count, size in counted.experts.items()), used


def _weight_bytes(
    counted: Counted | None, stored: weights.Stored | None, quantisation: str | None, dtype: str, why: dict[str, str]
) -> int | None:
    if quantisation is not None:
        if stored is None:
            why["weight_bytes"] = f"quantised ({quantisation}), and the folder holds no weights to measure"
            return None
        return stored.bytes
    if counted is None:
        why["weight_bytes"] = why["parameters"]
        return None
    return counted.parameters * BYTES[dtype]


def quantisation_method(found: Configuration) -> str | None:
    """The checkpoint's quantisation under vLLM's names (`gptq`, `awq`, `fp8`, `compressed-tensors` …), or None."""
    for part in (found.stated, found.stated_text):
        stated = part.get("quantization_config") or part.get("compression_config")
        if isinstance(stated, dict):
            method = str(stated.get("quant_method") or "").lower().replace("compressed_tensors", "compressed-tensors")
            if not method and ("quantization" in stated or stated.get("producer")):
                method = "modelopt"
            return method or "compressed-tensors"
    return None


def _kv_dtype(found: Configuration, dtype: str, asked: str | None) -> str:
    if asked and asked != "auto":
        if asked not in KV_BYTES:
            raise UserError(f"kv dtype: found {asked!r}, allowed auto, {', '.join(KV_BYTES)}")
        return asked
    stated = found.stated.get("quantization_config")
    scheme = stated.get("kv_cache_scheme") if isinstance(stated, dict) else None
    nested = stated.get("quantization", stated) if isinstance(stated, dict) else {}
    algorithm = str(nested.get("kv_cache_quant_algo") or "") if isinstance(nested, dict) else ""
    eight = isinstance(scheme, dict) and scheme.get("num_bits") == 8 and scheme.get("type") == "float"
    return "fp8" if eight or algorithm.upper() == "FP8" else dtype
