"""Evidence: the model's answers at temperature 0, and whether they are reproducible."""
