"""Executing notebooks: one shared kernel, atomic outputs, logs, failures. Knows nothing of what they measure."""

from evalpress.core import jsonschema_import  # noqa: F401 - nbformat imports jsonschema
