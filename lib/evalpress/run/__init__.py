"""Executing notebooks: one shared kernel, atomic outputs, logs, failures. Independent of what they measure."""

from evalpress.core import jsonschema_import  # noqa: F401 - nbformat imports jsonschema
