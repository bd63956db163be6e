"""Logits of a reference, of its noise floor and of candidates, and their comparison."""
