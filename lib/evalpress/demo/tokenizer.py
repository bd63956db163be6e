"""A byte-level BPE tokenizer like Qwen2's: NFC, the same splitting of words, digits one by one."""

from __future__ import annotations

import random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from evalpress.demo.corpus import Corpus, Document

END, END_ID = "<|endoftext|>", 0
VOCABULARY = 2048
LONGEST_TOKEN = 12
"""Bytes: four Chinese characters. Without a limit whole clauses of the small corpus would become tokens."""
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""As Qwen2's own tokenizer splits: a loader that rebuilds that one from the vocabulary agrees."""


def train(corpus: Corpus, seed: int) -> Tokenizer:
    """Merges learned from every fixed document once and a seeded sample of the made-up ones."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=LONGEST_TOKEN,
        show_progress=False,
    )
    rng = random.Random(seed)
    texts = [document.text for documents in corpus.fixed.values() for document in documents]
    for kind in ("sentences", "arithmetic", "completions"):
        texts += [corpus.draw(kind, rng).text for _ in range(300)]
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, document: Document) -> list[int]:
    """Prompt and answer tokenised apart (no token crosses the border between them), then the end token."""
    parts = (tokenizer.encode(part).ids for part in (document.prompt, document.answer) if part)
    return [token for part in parts for token in part] + [END_ID]
