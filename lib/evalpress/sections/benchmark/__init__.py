"""Benchmark: eager against compiled, in alternating blocks."""
