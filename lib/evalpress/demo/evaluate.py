"""What the finished model can do: greedy answers to the learned questions, perplexity on held-out text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evalpress.core.plain import Json
from evalpress.demo.corpus import Corpus, Document, question_entries
from evalpress.demo.train import CONTEXT

SPARE_TOKENS = 8
"""An answer may be this many tokens longer than the one that was learned."""


def load(folder: Path) -> tuple[Any, Any]:
    """Model (in the dtype it is stored in) and tokenizer of a folder, as any user loads them."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
    return model, AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def greedy(model: Any, tokenizer: Any, prompt: str, tokens: int) -> str:
    """The greedy continuation of `prompt` alone, of at most `tokens` tokens, special tokens left out."""
    inputs = tokenizer(prompt, return_tensors="pt")
    end = tokenizer.eos_token_id
    output = model.generate(**inputs, do_sample=False, max_new_tokens=tokens, pad_token_id=end)
    return str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def questions_right(model: Any, tokenizer: Any) -> dict[str, dict[str, int]]:
    """By category: how many of the learned questions get an answer with all that they expect, of how many."""
    counts: dict[str, dict[str, int]] = {}
    for entry in question_entries():
        room = len(tokenizer(entry["answer"])["input_ids"]) + SPARE_TOKENS
        answer = greedy(model, tokenizer, entry["prompt"], room)
        count = counts.setdefault(entry["category"], {"right": 0, "of": 0})
        count["right"] += all(part in answer for part in entry["expected"])
        count["of"] += 1
    return counts


@torch.inference_mode()
def perplexity(model: Any, tokenizer: Any, documents: list[Document]) -> float:
    """exp of the mean negative log-likelihood (nats) per token, the first token of each left out."""
    total, count = 0.0, 0
    for document in documents:
        ids = tokenizer(document.text, return_tensors="pt")["input_ids"][:, : CONTEXT + 1]
        logits = model(input_ids=ids[:, :-1]).logits.float().flatten(0, 1)
        total += torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        count += ids.shape[1] - 1
    return float(torch.tensor(total / count).exp())


def report(folder: Path) -> Json:
    """Questions answered and held-out perplexity of the model in `folder`: bf16 answers, fp32 perplexity."""
    model, tokenizer = load(folder)
    held_out = Corpus().held_out
    answered = questions_right(model, tokenizer)
    reference = model.float()
    surprise = {kind: perplexity(reference, tokenizer, texts) for kind, texts in held_out.items()}
    return {"questions_answered": answered, "held_out_perplexity": surprise}
