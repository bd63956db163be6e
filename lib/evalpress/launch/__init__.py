"""From the parameters to engine arguments, environment and commands."""

from __future__ import annotations

from evalpress.launch.commands import (
    DEFAULT_PORT,
    PROMPT,
    address,
    curl_argv,
    curl_options,
    engine_arguments,
    engine_argv,
    env,
    model_name,
    offline_snippet,
    program,
    prompt,
    serve_argv,
    shell,
    shown_url,
    two_devices,
    url_of,
)

__all__ = [
    "DEFAULT_PORT",
    "PROMPT",
    "address",
    "curl_argv",
    "curl_options",
    "engine_arguments",
    "engine_argv",
    "env",
    "model_name",
    "offline_snippet",
    "program",
    "prompt",
    "serve_argv",
    "shell",
    "shown_url",
    "two_devices",
    "url_of",
]
