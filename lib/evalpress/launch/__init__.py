"""From the parameters to engine arguments, environment and commands, and nothing else."""

from __future__ import annotations

from evalpress.launch.commands import (
    DEFAULT_PORT,
    PROMPT,
    curl_argv,
    engine_arguments,
    env,
    model_name,
    offline_snippet,
    program,
    prompt,
    serve_argv,
    shell,
    two_devices,
)

__all__ = [
    "DEFAULT_PORT",
    "PROMPT",
    "curl_argv",
    "engine_arguments",
    "env",
    "model_name",
    "offline_snippet",
    "program",
    "prompt",
    "serve_argv",
    "shell",
    "two_devices",
]
