"""A claims file without a mistake."""

from __future__ import annotations

from typing import Any

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
