"""`python -m evalpress.demo`: trains the demo model and writes its folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evalpress.demo import corpus, evaluate, export, tokenizer, train

SEED, STEPS, SMOKE_STEPS = 1, 1000, 20


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m evalpress.demo",
        description="Train the demo model on the project's own text and write its folder.",
    )
    parser.add_argument("--out", type=Path, default=Path("models/demo"), help="folder to write (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of data and weights (%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps (%(default)s)")
    smoke = f"only {SMOKE_STEPS} steps: shows that the recipe runs; the model cannot be used"
    parser.add_argument("--smoke", action="store_const", dest="steps", const=SMOKE_STEPS, help=smoke)
    arguments = parser.parse_args(argv)
    if arguments.steps < 1:
        parser.error(f"--steps: found {arguments.steps}, allowed 1 or more")
    return arguments


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Runs the recipe. Returns the exit status."""
    arguments = _arguments(argv)
    texts = corpus.Corpus()
    bpe = tokenizer.train(texts, arguments.seed)
    _say(f"tokenizer of {bpe.get_vocab_size()} tokens; training for {arguments.steps} steps")
    trained = train.train(texts, bpe, arguments.seed, arguments.steps, _say)
    export.write_model(arguments.out, trained.model, bpe)
    _say("evaluating the finished model")
    found = evaluate.report(arguments.out)
    facts = export.recipe(
        arguments.out,
        trained,
        seed=arguments.seed,
        steps=arguments.steps,
        vocabulary=bpe.get_vocab_size(),
        corpus_sha256=corpus.digest(),
        **found,
    )
    export.write_card(arguments.out, facts)
    counts = found["questions_answered"].values()
    right, asked = (sum(count[key] for count in counts) for key in ("right", "of"))
    _say(f"{arguments.out}: loss {trained.final_loss:.3f}, {right} of {asked} questions answered")
    return 0


if __name__ == "__main__":
    sys.exit(main())
