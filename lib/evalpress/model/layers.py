"""What each layer of a causal language model keeps per token and computes per pair of tokens.

Sources: transformers' configuration classes (`layer_types` and the names before it) and, for what vLLM
stores, its model-architecture converters and attention layers (vLLM 0.32).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evalpress.model.config import Configuration

Reach = Literal["full", "sliding", "chunked", "sparse"]

_LATENT_IN_VLLM = frozenset(
    (
        *("axk1", "bailing_hybrid", "deepseek_mtp", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots3_note"),
        *("glm4_moe_lite", "glm5_next", "glm5_next_text", "glm_moe_dsa", "hy_v4", "kimi_k2", "kimi_linear"),
        *("longcat_flash", "pangu_ultra_moe"),
    )
)
"""Model types whose compressed latent vLLM caches; others with `kv_lora_rank` (MiniCPM3) cache expanded heads."""
_NO_CACHE = ("moe", "mlp", "dense", "sparse", "identity")
_STATE = ("linear", "mamba", "recurrent", "conv", "rwkv", "delta", "kda", "ssm")


class UnknownLayersError(Exception):
    """The configuration does not say what its layers keep; the message says what is missing."""


@dataclass(frozen=True)
class Layer:
    """One layer. A layer without attention has no `reach`; one without recurrent state no `state_values`.

    `kv_values`: numbers in the KV cache per token (0 where it reads another layer's cache).
    `width`: heads × (query-key dimension + value dimension) / 2: multiply-adds per pair of tokens, halved.
    `window`: tokens that a sliding or chunked layer reaches, None for all.
    `state_values`: numbers of recurrent state per sequence; None where the configuration does not tell.
    """

    reach: Reach | None = None
    kv_values: int = 0
    width: int = 0
    window: int | None = None
    recurrent: bool = False
    state_values: int | None = 0


def of(config: Configuration) -> tuple[Layer, ...]:
    """The layers of the text part, first to last.

    Raises:
        UnknownLayersError: number of layers or attention dimensions are not stated.
    """
    kinds = _kinds(config)
    shared_from = len(kinds) - (config.whole("num_kv_shared_layers") or 0)
    return tuple(_layer(config, kind, index, index >= shared_from) for index, kind in enumerate(kinds))


def _kinds(config: Configuration) -> list[str]:
    """A name per layer, in transformers' present words."""
    named = config.get("layer_types") or config.get("layers_block_type")
    if isinstance(named, list | tuple) and named:
        return [_modern(str(name)) for name in named]
    count = config.whole("num_hidden_layers")
    if count is None:
        raise UnknownLayersError("config.json states no number of layers")
    if config.get("num_attention_heads") is None:
        return ["linear_attention"] * count
    attending = _attending(config, count)
    window = config.whole("sliding_window") if config.get("use_sliding_window") is not False else None
    attention = "sliding_attention" if window else "full_attention"
    return [attention if index in attending else "linear_attention" for index in range(count)]


def _modern(name: str) -> str:
    return {"attention": "full_attention", "mamba": "linear_attention", "mamba2": "linear_attention"}.get(name, name)


def _attending(config: Configuration, count: int) -> set[int]:
    """Indices of the layers with attention, where older hybrid configurations state them."""
    period, kinds = config.whole("attn_layer_period"), config.get("attn_type_list")
    if period:
        return set(range(config.whole("attn_layer_offset") or 0, count, period))
    if isinstance(kinds, list):
        return {index for index, kind in enumerate(kinds) if kind == 1}
    for key in ("attn_layer_indices", "full_attn_idxs", "hybrid_layer_ids"):
        indices = config.get(key)
        if isinstance(indices, list):
            return {int(index) for index in indices}
    return set(range(count))


def _layer(config: Configuration, kind: str, index: int, shares_cache: bool) -> Layer:
    if kind in _NO_CACHE:
        return Layer()
    recurrent = kind.startswith("hybrid") or (any(part in kind for part in _STATE) and "full" not in kind)
    state = _state(config, kind) if recurrent else 0
    if recurrent and not kind.startswith("hybrid"):
        return Layer(recurrent=True, state_values=state)
    reach = _reach(kind)
    kv, width = _attention(config, index, reach)
    key = "sliding_window" if reach == "sliding" else "attention_chunk_size"
    window = config.whole(key, layer=index) if reach in ("sliding", "chunked") else None
    return Layer(reach, 0 if shares_cache else kv, width, window, recurrent, state)


def _reach(kind: str) -> Reach:
    if any(word in kind for word in ("sparse", "indexed", "compressed")):
        return "sparse"
    return "sliding" if "sliding" in kind else "chunked" if "chunked" in kind else "full"


def _attention(config: Configuration, index: int, reach: Reach) -> tuple[int, int]:
    """(numbers cached per token, width) of one attention layer."""
    latent = config.whole("kv_lora_rank")
    if latent is not None:
        return _latent(config, latent, index)
    own = "swa_" if reach == "sliding" else ""
    heads = config.whole(f"{own}num_attention_heads", layer=index) if own else None
    heads = heads or config.whole("num_attention_heads_per_layer", layer=index)
    heads = heads or config.whole("num_attention_heads", layer=index)
    if not heads:
        raise UnknownLayersError("config.json states no number of attention heads")
    kv_heads = (config.whole(f"{own}num_key_value_heads", layer=index) if own else None) or _kv_heads(
        config, heads, index
    )
    if own and config.model_type == "mimo_v2_flash" and config.whole("swa_num_key_value_heads") is None:
        kv_heads *= 2  # as transformers' class has it
    key_dim = (config.whole(f"{own}head_dim", layer=index) if own else None) or head_dim(config, index)
    value_dim = (config.whole(f"{own}v_head_dim", layer=index) if own else None) or key_dim
    value_dim = config.whole("v_head_dim", layer=index) or value_dim
    return kv_heads * (key_dim + value_dim), heads * (key_dim + value_dim) // 2


def _latent(config: Configuration, latent: int, index: int) -> tuple[int, int]:
    """Multi-head latent attention: vLLM caches the latent and the rotary part, or the expanded heads."""
    heads = config.whole("num_attention_heads", layer=index)
    rope, nope, value = (latent_dim(config, key) for key in ("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"))
    if heads is None or rope is None or nope is None or value is None:
        raise UnknownLayersError("config.json states kv_lora_rank without the dimensions of its heads")
    cached = latent + rope if config.model_type in _LATENT_IN_VLLM else 2 * heads * (nope + rope)
    return cached, heads * (nope + rope + value) // 2


def latent_dim(config: Configuration, key: str) -> int | None:
    """A dimension of latent attention: as config.json states it, since transformers maps one of them to head_dim."""
    stated = config.stated_text.get(key)
    return stated if isinstance(stated, int) else config.whole(key)


def _kv_heads(config: Configuration, heads: int, index: int) -> int:
    """Key-value heads under the names that model families use; all heads where none is stated."""
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        return 1
    if config.get("multi_query_attention"):
        return config.whole("multi_query_group_num") or 1
    for key in ("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads", "num_attention_groups"):
        found = config.whole(key, layer=index)
        if key == "num_key_value_heads" and _nested_kv_heads(config) is not None:
            found = _nested_kv_heads(config)
        if found:
            return found
    return heads


def _nested_kv_heads(config: Configuration) -> int | None:
    """DBRX states them in `attn_config`, and transformers' own attribute of the usual name is another number."""
    part = config.get("attn_config")
    found = part.get("kv_n_heads") if isinstance(part, dict) else getattr(part, "kv_n_heads", None)
    return found if isinstance(found, int) else None


def head_dim(config: Configuration, index: int = 0) -> int:
    """Size of one attention head; hidden_size / heads where the configuration does not set it apart.

    Raises:
        UnknownLayersError: neither is stated.
    """
    for key in ("head_dim", "attention_head_dim", "hidden_size_per_head", "kv_channels", "d_head", "d_kv"):
        if found := config.whole(key, layer=index):
            return found
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads", layer=index)
    if not hidden or not heads:
        raise UnknownLayersError("config.json states neither head_dim nor hidden size and heads")
    return hidden // heads


def _first(config: Configuration, *keys: str) -> int | None:
    return next((found for key in keys if (found := config.whole(key)) is not None), None)


def _state(config: Configuration, kind: str) -> int | None:
    """Numbers of recurrent state that one sequence keeps in one layer (vLLM's MambaStateShapeCalculator)."""
    hidden = config.whole("hidden_size") or 0
    if "conv" in kind:
        taps = config.whole("conv_L_cache")
        return None if taps is None else hidden * (taps - 1)
    conv = _first(config, "linear_conv_kernel_dim", "mamba_d_conv", "conv_kernel")
    if conv is None:
        return None
    if (key := config.whole("linear_key_head_dim")) is not None:
        keys, values = config.whole("linear_num_key_heads") or 0, config.whole("linear_num_value_heads") or 0
        value = config.whole("linear_value_head_dim") or 0
        return (2 * keys * key + values * value) * (conv - 1) + values * value * key
    if (size := config.whole("linear_head_dim")) is not None:
        heads = config.whole("linear_num_heads") or 0
        return 3 * heads * size * (conv - 1) + heads * size * size
    return _mamba(config, hidden, conv)


def _mamba(config: Configuration, hidden: int, conv: int) -> int | None:
    """State of a Mamba (one channel, one state) or Mamba-2 layer (heads)."""
    state = _first(config, "ssm_state_size", "mamba_d_state", "state_size")
    if state is None:
        return None
    heads = _first(config, "mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "num_heads")
    if heads is None:
        expand = config.whole("mamba_expand")
        inner = expand * hidden if expand else config.whole("intermediate_size") or 0
        return inner * (conv - 1) + inner * state
    size = _first(config, "mamba_head_dim", "mamba_d_head", "mamba_headdim", "head_dim")
    groups = _first(config, "mamba_n_groups", "mamba_ngroups", "n_groups") or 1
    if size is None:
        return None
    return (heads * size + 2 * groups * state) * (conv - 1) + heads * size * state
