"""Quality: cases, checkers, the sandbox for code that the model wrote, verdicts of people."""
