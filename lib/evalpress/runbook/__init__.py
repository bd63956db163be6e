"""The run book: commands, snippets and settings generated from the parameters, never typed."""

from __future__ import annotations

from typing import Any

from evalpress.params.schema import Params
from evalpress.runbook import settings
from evalpress.runbook.commands import (
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
    "PROMPT",
    "build",
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


def _command(name: str, title: str, argv: list[str], variables: dict[str, str], runs_in: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "title": title, "language": "bash", "text": shell(argv, variables)}
    row |= {"argv": argv, "env": variables, "runs_in": runs_in}
    return row if runs_in else row | {"runs_in_why": "no section of a report runs this command"}


def build(params: Params) -> dict[str, Any]:
    """Everything the run book prints.

    `commands`: each with its text and `runs_in`, the section of a report that executes the very same thing;
    `settings`: determinism and communication, with who reads each; `left_out`: what others print, and why not.
    """
    mode = params.serving.mode
    port = params.serving.port or DEFAULT_PORT
    base_url = params.serving.base_url or f"http://{params.serving.host}:{port}"
    two = two_devices(params)
    on_cpu = params.platform.backend == "cpu"
    two_title = "Two ranks, each on half of the cores" if on_cpu else "Two cards, tensor parallel"
    offline = {
        "id": "offline",
        "title": "Offline, in Python",
        "language": "python",
        "text": offline_snippet(params, mode),
        "runs_in": "benchmark",
    }
    commands = [
        offline,
        _command("serve", "OpenAI server", serve_argv(params, mode), env(params), "serving"),
        _command(
            "curl",
            "One request",
            curl_argv(base_url, model_name(params), prompt(params, mode)),
            {},
            "serving",
        ),
        _command("two_devices", two_title, serve_argv(two, mode), env(two), None),
        _command("fast_start", "Fast start, without compilation", serve_argv(params, "eager"), env(params), None),
    ]
    return {
        "commands": commands,
        "settings": settings.rows(params),
        "left_out": settings.left_out(params),
    }
