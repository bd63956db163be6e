"""The tiny models of `tiny_models.py` and `correct_noise.py`: configurations of many architectures, random weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VOCABULARY = 2048
LENGTH = 256
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": LENGTH,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "pad_token_id": 0,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}
OLD_NAMES: dict[str, Any] = {"vocab_size": VOCABULARY, "n_embd": 128, "n_layer": 2, "n_head": 4}
ENDS: dict[str, Any] = {"eos_token_id": 0, "bos_token_id": 0}
MLA: dict[str, Any] = {
    "kv_lora_rank": 512,
    "q_lora_rank": None,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}
EXPERTS: dict[str, Any] = {"num_experts_per_tok": 2, "moe_intermediate_size": 64}
DEEPSEEK_V2: dict[str, Any] = (
    SHAPE
    | MLA
    | EXPERTS
    | {"num_key_value_heads": 4, "n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1}
    | {"topk_method": "greedy", "n_group": 1, "topk_group": 1}
)


@dataclass(frozen=True)
class Tiny:
    """One model: the configuration's class in transformers and its values."""

    config: str
    values: dict[str, Any]
    dtype: str = "bfloat16"
    fails: str = ""
    """The gate by which the report must fail, because this vLLM computes something else on a CPU."""
    std: float = 0.08
    """Standard deviation of every matrix: large enough for logits to differ."""
    refused: str = ""
    """Words of the one line with which it must be refused; empty: it is measured."""
    environment: dict[str, str] = field(default_factory=dict)
    mode: str = "eager"


MODELS: dict[str, Tiny] = {
    "llama-rope": Tiny(
        "LlamaConfig",
        GROUPED
        | {"rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0}
           | {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}},
    ),
    "qwen2": Tiny("Qwen2Config", GROUPED | {"tie_word_embeddings": True}),
    "qwen3": Tiny("Qwen3Config", GROUPED | {"head_dim": 32}),
    "qwen3-moe": Tiny("Qwen3MoeConfig", GROUPED | EXPERTS | {"head_dim": 32, "num_experts": 8, "norm_topk_prob": True}),
    "mixtral": Tiny("MixtralConfig", GROUPED | {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "gemma2": Tiny(
        "Gemma2Config",
        GROUPED | {"head_dim": 32, "query_pre_attn_scalar": 16, "sliding_window": 32, "attn_logit_softcapping": 5.0}
        | {"final_logit_softcapping": 30.0},
    ),
    "gpt2": Tiny("GPT2Config", OLD_NAMES | ENDS | {"n_positions": LENGTH}),
    "opt": Tiny(
        "OPTConfig",
        {"vocab_size": VOCABULARY, "hidden_size": 128, "num_hidden_layers": 2, "ffn_dim": 192, "pad_token_id": 1}
        | ENDS | {"num_attention_heads": 4, "max_position_embeddings": LENGTH, "word_embed_proj_dim": 64}
        | {"do_layer_norm_before": False},
    ),
    "bloom": Tiny("BloomConfig", {"vocab_size": VOCABULARY, "hidden_size": 128, "n_layer": 2, "n_head": 4} | ENDS),
    "phi3": Tiny("Phi3Config", GROUPED | {"original_max_position_embeddings": LENGTH}),
    "deepseek-v2": Tiny("DeepseekV2Config", DEEPSEEK_V2, mode="compiled"),
    # The same weights by the custom operators, which eager mode takes. The rotary kernel for CPUs of vLLM 0.32.0 reads
    # the stride of a head as that of a token where queries have three axes, as latent attention gives them.
    "deepseek-v2-eager": Tiny("DeepseekV2Config", DEEPSEEK_V2, fails="vllm_eager.outlier_positions"),
    "falcon": Tiny(
        "FalconConfig",
        {"vocab_size": VOCABULARY, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4} | ENDS
        | {"multi_query": True, "parallel_attn": True, "new_decoder_architecture": False, "bias": False},
    ),
    "smollm3": Tiny("SmolLM3Config", GROUPED | {"tie_word_embeddings": True}),
    "cohere": Tiny("CohereConfig", GROUPED | {"logit_scale": 0.5}),
    "gpt-neox": Tiny("GPTNeoXConfig", SHAPE | {"rotary_pct": 0.25}),
    "olmoe": Tiny("OlmoeConfig", SHAPE | {"num_key_value_heads": 4, "num_experts": 8, "num_experts_per_tok": 2}),
    "ernie45-moe": Tiny(
        "Ernie4_5_MoeConfig",
        GROUPED | {"moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 64, "moe_num_shared_experts": 1}
        | {"moe_layer_start_index": 1, "tie_word_embeddings": True},
        # vLLM 0.32.0's router for CPUs leaves out the correction bias of ungrouped softmax routing.
        fails="vllm_eager.outlier_positions",
    ),
    "mistral": Tiny("MistralConfig", GROUPED | {"sliding_window": 32, "head_dim": 32}),
    "gemma3": Tiny(
        "Gemma3TextConfig",
        GROUPED | {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 32}
        | {"layer_types": ["sliding_attention", "full_attention"]},
    ),
    "qwen2-moe": Tiny("Qwen2MoeConfig", GROUPED | EXPERTS | {"num_experts": 8, "shared_expert_intermediate_size": 64}),
    "qwen3-yarn": Tiny(
        "Qwen3Config",
        GROUPED | {"head_dim": 32, "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0}
                   | {"original_max_position_embeddings": 64}},
    ),
    "stablelm": Tiny("StableLmConfig", GROUPED | {"partial_rotary_factor": 0.25}),
    "gptbigcode": Tiny("GPTBigCodeConfig", OLD_NAMES | ENDS | {"n_positions": LENGTH, "multi_query": True}),
    "gptj": Tiny("GPTJConfig", OLD_NAMES | ENDS | {"n_positions": LENGTH, "rotary_dim": 16}),
    "granite-moe": Tiny("GraniteMoeConfig", GROUPED | {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "glm4-moe": Tiny(
        "Glm4MoeConfig",
        GROUPED | EXPERTS | {"head_dim": 32, "n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1}
        | {"partial_rotary_factor": 0.5},
    ),
    "nemotron": Tiny("NemotronConfig", GROUPED | {"partial_rotary_factor": 0.5}),
    "falcon-h1": Tiny(
        "FalconH1Config",
        GROUPED | {"head_dim": 32, "mamba_d_ssm": 128, "mamba_n_heads": 4, "mamba_d_head": 32, "mamba_d_state": 32},
    ),
    "cohere2": Tiny(
        "Cohere2Config",
        GROUPED | {"logit_scale": 0.5, "sliding_window": 32, "head_dim": 32},
        # A window of 32 is 32 tokens in transformers 5.19 and 33 in vLLM 0.32.0, which states that it was trained so.
        fails="vllm_eager.outlier_positions",
    ),
    "gpt-oss": Tiny(
        "GptOssConfig",
        GROUPED | {"head_dim": 32, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 32},
    ),
    "llama-float32": Tiny("LlamaConfig", GROUPED | {"tie_word_embeddings": True}, dtype="float32"),
    "bert": Tiny("BertConfig", {k: v for k, v in SHAPE.items() if k != "eos_token_id"}, refused="not a causal"),
}  # fmt: skip
