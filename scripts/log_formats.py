"""List the lines on start-up and memory that a vLLM or vLLM-Ascend wheel can print, with their placeholders.

    pip download --no-deps vllm-ascend==0.18.0rc1
    python scripts/log_formats.py vllm_ascend-0.18.0rc1-*.whl > tests/data/log_formats/vllm_ascend-0.18.0rc1.json

The log parser's tests fill every such line with numbers and read them back: a release with other lines is
added by keeping its list there. Holes of f-strings are written as `{}`. Standard library only; nothing is imported.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

WANTED = re.compile(
    r"[Mm]odel loading took|Loading (model )?weights took|model weights take|Dynamo bytecode transform"
    r"|torch\.compile (takes|took|and initial)|Starting torch\.compile|Enforce eager set"
    r"|Compiling a graph|Compiling model again|raph capturing finished|Capturing .*graphs"
    r"|Available (KV cache )?memory: "
    r"|KV cache size: |Maximum concurrency for|for KV [Cc]ache|peak activation|activation peak|peak memory increase"
    r"|Directly load|npugraph_ex cache miss|npugraph_ex compilation cache|init engine \(|Starting to load model"
    r"|Initializing an? (V\d )?LLM engine|# %s blocks|run together took|profiling/warmup run took"
    r"|Warming up (done|model for)"
)
LEVELS = {"info", "info_once", "warning", "warning_once", "debug", "debug_once"}
KEYWORDS = {"desc", "message", "progress_bar_desc"}


def main() -> int:
    """Print the list as JSON; exit status 2 for a file that is no wheel."""
    if len(sys.argv) != 2 or not zipfile.is_zipfile(sys.argv[1]):
        print("usage: python scripts/log_formats.py FILE.whl", file=sys.stderr)
        return 2
    name, version = Path(sys.argv[1]).name.split("-")[:2]
    found: dict[str, str] = {}
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        for path in sorted(wheel.namelist()):
            if path.endswith(".py") and path.startswith(("vllm/", "vllm_ascend/")):
                for text in formats(wheel.read(path).decode(errors="replace")):
                    found.setdefault(text, path)
    rows = [{"text": text, "file": found[text]} for text in sorted(found)]
    print(json.dumps({"distribution": name, "version": version, "formats": rows}, indent=1))
    return 0


def formats(source: str) -> Iterator[str]:
    """The wanted texts that a module logs, in the order of the module."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        for value in _messages(node):
            text = _text(value)
            if text is not None and WANTED.search(text):
                yield text


def _messages(node: ast.AST) -> list[ast.expr]:
    """What a node may print: a logger's first argument, a message kept in a name, the words of a progress bar."""
    if isinstance(node, ast.Call):
        is_log = isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS
        # `with monitor_torch_compile(config, "… took %.2f s")` passes its words on: every argument may be one.
        given = node.args[:1] if is_log else node.args if _name(node.func).startswith("monitor_") else []
        return given + [keyword.value for keyword in node.keywords if keyword.arg in KEYWORDS]
    if isinstance(node, ast.Assign):
        return [node.value]
    if isinstance(node, ast.FunctionDef):
        named = (node.args.posonlyargs + node.args.args)[-len(node.args.defaults) :] if node.args.defaults else []
        given = [value for argument, value in zip(named, node.args.defaults, strict=True) if argument.arg in KEYWORDS]
        later = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        return given + [value for argument, value in later if argument.arg in KEYWORDS and value is not None]
    return []


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""


def _text(value: ast.expr) -> str | None:
    """A string constant, an f-string with `{}` for its holes, sums and .format() of them; None for anything else."""
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else None
    if isinstance(value, ast.JoinedStr):
        return "".join(_text(part) or "{}" for part in value.values)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left, right = _text(value.left), _text(value.right)
        return None if left is None or right is None else left + right
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "format":
        return _text(value.func.value)
    return None


if __name__ == "__main__":
    sys.exit(main())
