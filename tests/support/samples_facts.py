"""Architecture facts of an invented dense model."""

from __future__ import annotations

from evalpress.model.facts import BYTES, ArchitectureFacts
from evalpress.model.layers import Layer


def dense(*, parameters: int, embedding: int, dtype: str, kv_values: int, width: int) -> ArchitectureFacts:
    """A model of one attention layer with a tied embedding, without experts."""
    return ArchitectureFacts(
        architecture="LlamaForCausalLM",
        dtype=dtype,
        kv_dtype=dtype,
        parameters=parameters,
        parameters_from="architecture",
        embedding_parameters=embedding,
        head_parameters=0,
        table_parameters=0,
        tied=True,
        inactive_parameters=0,
        experts=0,
        experts_used=None,
        weight_bytes=parameters * BYTES[dtype],
        layers=(Layer("full", kv_values, width),),
    )
