"""The training loop of the demo model: plain torch, seeded, on the CPU, weights in fp32, products in bf16."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

from evalpress.demo.corpus import Corpus, Document
from evalpress.demo.tokenizer import END_ID, encode

CONTEXT = 2048
"""Positions the model is trained on; longer inputs are not supported."""
ROW_LENGTHS = (128, 128, 512, 512, 2048)
"""Lengths in turn: short ones put many prompts at position 0, long ones fill the context."""
TOKENS_PER_STEP = 4096
ROPE_THETA = 1_000_000.0
WARM_UP = 50
PEAK_RATE, LAST_RATE = 4e-3, 1e-4
LOSS_WINDOW = 50
"""The losses reported are means over this many steps (the first: over five)."""


@dataclass(frozen=True)
class Trained:
    """What training gives: the model (fp32), mean loss per token (nats) at both ends, and what it took."""

    model: Qwen2ForCausalLM
    first_loss: float
    final_loss: float
    tokens: int
    seconds: float
    cpu_seconds: float


def new_model(vocabulary: int) -> Qwen2ForCausalLM:
    """A Qwen2 of about one million parameters; 32 is the smallest head size that vLLM's CPU attention has."""
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        use_sliding_window=False,
        initializer_range=0.04,
        bos_token_id=None,
        eos_token_id=END_ID,
    )
    return Qwen2ForCausalLM(config)


def rows(documents: Iterator[Document], tokenizer: Tokenizer, length: int, count: int) -> torch.Tensor:
    """`count` rows of `length` + 1 token ids, each begun with a new document and filled with more of them."""
    made = []
    for _ in range(count):
        row: list[int] = []
        while len(row) <= length:
            row += encode(tokenizer, next(documents))
        made.append(row[: length + 1])
    return torch.tensor(made)


def _rate(step: int, steps: int) -> float:
    """Learning rate: linear warm-up, then a cosine down to `LAST_RATE`."""
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    share = (step - WARM_UP) / max(1, steps - WARM_UP)
    return LAST_RATE + (PEAK_RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share))


def _loss(model: Qwen2ForCausalLM, batch: torch.Tensor) -> torch.Tensor:
    # bf16 products halve the time on CPUs that have them and take many times as long on others; the weights, the norms
    # and the loss stay in fp32.
    with torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def _optimizer(model: Qwen2ForCausalLM) -> torch.optim.AdamW:
    """AdamW; only matrices decay, not norms and biases."""
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    others = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch seeded and deterministic inside, as it was before outside."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


def train(corpus: Corpus, tokenizer: Tokenizer, seed: int, steps: int, say: Callable[[str], None]) -> Trained:
    """Trains a new model on `steps` batches of `TOKENS_PER_STEP` tokens; `say` gets its progress."""
    started, cpu_started = time.monotonic(), time.process_time()
    with _seeded(seed):
        model = new_model(tokenizer.get_vocab_size())
        losses: list[float] = []
        for loss in _steps(model, rows_in_turn(corpus, tokenizer, seed), steps):
            losses.append(loss)
            done = len(losses)
            if done % LOSS_WINDOW == 0 or done == steps:
                spent = time.monotonic() - started
                left = spent / done * (steps - done)
                say(f"step {done}/{steps}  loss {_mean(losses[-LOSS_WINDOW:]):.3f}  {spent:.0f} s, {left:.0f} s left")
    window = min(LOSS_WINDOW, max(1, steps // 4))
    return Trained(
        model=model.eval(),
        first_loss=_mean(losses[:5]),
        final_loss=_mean(losses[-window:]),
        tokens=steps * TOKENS_PER_STEP,
        seconds=time.monotonic() - started,
        cpu_seconds=time.process_time() - cpu_started,
    )


def rows_in_turn(corpus: Corpus, tokenizer: Tokenizer, seed: int) -> Iterator[torch.Tensor]:
    """Batches without end, of the lengths in `ROW_LENGTHS`, all of one stream of documents."""
    documents = corpus.stream(random.Random(seed))
    for length in itertools.cycle(ROW_LENGTHS):
        yield rows(documents, tokenizer, length, TOKENS_PER_STEP // length)


def _steps(model: Qwen2ForCausalLM, batches: Iterator[torch.Tensor], steps: int) -> Iterator[float]:
    """Takes `steps` steps and gives the loss of each."""
    optimizer = _optimizer(model)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, steps)
        loss = _loss(model, next(batches))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield loss.item()


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
