"""The run book: commands, snippets and settings generated from the parameters, never typed."""

from __future__ import annotations

from evalpress.launch import settings
from evalpress.launch.commands import (
    address,
    curl_argv,
    curl_options,
    env,
    model_name,
    offline_snippet,
    prompt,
    serve_argv,
    shell,
    two_devices,
)
from evalpress.params.schema import Params
from evalpress.sections.registry import by_name, skip_reason
from evalpress.sections.setup.results import Command, LeftOut, RunBook, Setting

_TWO_WHY = "this set measures one device; a set with engine.tensor_parallel_size: 2 runs it"
_FAST = "Fast start, without compilation"
_FAST_WHY = "this set serves other modes; the eager engine is measured in the benchmark, without a server"


def _command(
    name: str, title: str, argv: list[str], variables: dict[str, str], runs_in: tuple[str | None, str]
) -> Command:
    section, why = runs_in
    return Command(
        id=name,
        title=title,
        language="bash",
        text=shell(argv, variables),
        argv=tuple(argv),
        env=variables,
        runs_in=section,
        runs_in_why=None if section else why,
    )


def _section(name: str, params: Params) -> tuple[str | None, str]:
    """The section that executes a command, or why this set's report does not run it."""
    reason = skip_reason(by_name(name), params)
    return (None, f"the {name} section is skipped: {reason}") if reason else (name, "")


def build(params: Params) -> RunBook:
    """Everything the run book prints.

    `commands`: each with its text and `runs_in`, the section of a report that executes exactly this, or
    why none does; `settings`: determinism and communication, with who reads each; `left_out`: what others print,
    and why this does not.
    """
    mode, base_url = params.serving.mode, params.serving.base_url
    serving = _section("serving", params)
    started = (None, f"the server at {address(params)} was already running") if base_url and serving[0] else serving
    fast = started if "eager" in params.serving.modes else (None, _FAST_WHY)
    two, on_cpu = two_devices(params), params.platform.backend == "cpu"
    two_title = "Two ranks, each on half of the cores" if on_cpu else "Two cards, tensor parallel"
    served = params.serving.served_model or model_name(params)
    asked = curl_argv(address(params), served, prompt(params, mode), curl_options(params))
    offline, why = _section("benchmark", params)
    snippet = offline_snippet(params, mode)
    return RunBook(
        commands=(
            Command(
                id="offline",
                title="Offline, in Python",
                language="python",
                text=snippet,
                runs_in=offline,
                runs_in_why=None if offline else why,
            ),
            _command("serve", "OpenAI server", serve_argv(params, mode), env(params), started),
            _command("curl", "One request", asked, {}, serving),
            _command("two_devices", two_title, serve_argv(two, mode), env(two), (None, _TWO_WHY)),
            _command("fast_start", _FAST, serve_argv(params, "eager"), env(params), fast),
        ),
        settings=tuple(Setting.model_validate(row) for row in settings.rows(params)),
        left_out=tuple(LeftOut.model_validate(row) for row in settings.left_out(params)),
    )
