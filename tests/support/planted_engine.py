"""Faults planted in the real engine: each changes one thing of vLLM's model runner until the `with` block ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from evalpress import engine
from evalpress.params.schema import Params

Plant = Callable[[Any, pytest.MonkeyPatch], None]


def runner(p: Params) -> Any:
    """The eager engine's model runner."""
    core = engine.get(p, "eager").llm.llm_engine.engine_core.engine_core
    return core.model_executor.driver_worker.worker.model_runner


@contextmanager
def planted(p: Params, plant: Plant | None) -> Iterator[None]:
    """The eager engine with a fault."""
    with pytest.MonkeyPatch.context() as patch:
        if plant is not None:
            plant(runner(p), patch)
        yield


def wrong_position(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """Every decode step of a request that is alone gets the next position's rotation."""
    rotary = {id(m): m for m in model_runner.model.modules() if "Rotary" in type(m).__name__}
    for module in rotary.values():
        right = module._forward_method
        patch.setattr(
            module, "_forward_method", lambda at, *a, right=right: right(at + 1 if at.numel() == 1 else at, *a)
        )


def shifted_slot(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """From the second decode step on keys and values are written one slot further."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackendImpl as Attention

    right, steps = Attention.do_kv_cache_update, dict[int, int]()

    def update(self: Any, layer: Any, key: Any, value: Any, cache: Any, slots: Any) -> None:
        steps[id(self)] = steps.get(id(self), 0) + 1 if slots.numel() == 1 else 0
        right(self, layer, key, value, cache, slots + 1 if steps[id(self)] > 1 else slots)

    patch.setattr(Attention, "do_kv_cache_update", update)


def third_token(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """Greedy sampling takes the third best token."""
    patch.setattr(model_runner.sampler, "greedy_sample", lambda logits: logits.topk(3).indices[:, 2])


def log_probabilities(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """The sampler gives log-probabilities where raw logits were asked for."""
    patch.setattr(model_runner.sampler, "logprobs_mode", "raw_logprobs")


def stale_block(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """After a hit in the prefix cache the request reads, as its first block, one of an earlier request."""
    right, earlier = type(model_runner)._update_states, list[int]()

    def update(self: Any, scheduled: Any) -> Any:
        for request in scheduled.scheduled_new_reqs:
            (blocks,) = request.block_ids
            others = [block for block in earlier if block not in blocks]
            earlier.append(blocks[0])
            if request.num_computed_tokens and others:
                blocks[0] = others[0]
        return right(self, scheduled)

    patch.setattr(type(model_runner), "_update_states", update)


def rounded_head(model_runner: Any, patch: pytest.MonkeyPatch) -> None:
    """One head of one layer is rounded to 8-bit floats (e5m2) whenever several requests share a step."""
    attention = model_runner.model.model.layers[2].self_attn
    right, width = attention.o_proj.forward, attention.head_dim

    def forward(values: Any) -> Any:
        if model_runner.input_batch.num_reqs > 1:
            values = values.clone()
            values[:, -width:] = values[:, -width:].to(torch.float8_e5m2).to(values.dtype)
        return right(values)

    patch.setattr(attention.o_proj, "forward", forward)


def one_outlier(model_runner: Any, patch: pytest.MonkeyPatch, size: float = 0.3) -> None:
    """One row of hidden states in a thousand gets noise before the output matrix."""
    right, rows = model_runner.model.compute_logits, [900]

    def compute(hidden: Any, *more: Any) -> Any:
        first = rows[0]
        rows[0] += len(hidden)
        if first // 1000 != rows[0] // 1000:
            hidden = hidden.clone()
            noise = torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(1)).to(hidden.dtype)
            hidden[999 - first % 1000] += noise * hidden[999 - first % 1000].std() * size
        return right(hidden, *more)

    patch.setattr(model_runner.model, "compute_logits", compute)
