"""Quality: cases, checkers, the sandbox for model-written code, people's verdicts."""
