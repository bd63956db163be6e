"""Evidence: what the model answers at temperature 0, and whether it answers the same again."""
