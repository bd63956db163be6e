"""The version of this suite; `pyproject.toml` states the same."""

__version__ = "0.2.0"
