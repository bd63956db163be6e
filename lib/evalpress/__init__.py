"""Evalpress: measure a causal language model on vLLM and print a report that can be published."""

__version__ = "0.1.0"
