"""Executing notebooks: one shared kernel, atomic outputs, logs, failures. Knows nothing of what they measure."""

from evalpress import lean as lean  # nbformat imports jsonschema
