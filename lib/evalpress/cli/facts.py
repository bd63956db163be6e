"""`evalpress facts FOLDER`: the architecture facts of any model folder or config.json; loads no engine."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from evalpress.cli.verb import Verbs, plain
from evalpress.core.errors import UserError
from evalpress.core.paths import expanded, told
from evalpress.core.plain import Json

_TEXT = "architecture facts of a model folder or a config.json; loads no engine"
_KEYS = (
    *("architecture", "parameters", "parameters_from", "active_parameters", "inactive_parameters", "experts"),
    *("experts_used", "embedding_parameters", "head_parameters", "table_parameters", "body_parameters"),
    *("read_parameters", "tied", "weight_bytes", "read_bytes", "quantisation", "dtype", "kv_dtype"),
    *("kv_values_per_token", "kv_bytes_per_token", "kv_is_uniform", "recurrent_values", "attention_width"),
)


def add(verbs: Verbs) -> None:
    """Register the verb."""
    verb = plain(verbs, "facts", _run, _TEXT)
    verb.add_argument("model", metavar="FOLDER", help="a model folder, or a config.json by itself")
    verb.add_argument("--engine-dtype", metavar="D", help="bfloat16, float16 or float32 (default: the model's own)")
    verb.add_argument("--kv-dtype", metavar="D", help="dtype of the KV cache, as vLLM's kv_cache_dtype (default: auto)")
    verb.add_argument("--trust-remote-code", action="store_true", help="run the code that the folder brings")
    verb.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _run(args: argparse.Namespace) -> int:
    found = document(expanded(args.model), args.engine_dtype, args.kv_dtype, args.trust_remote_code)
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    for key, value in found.items():
        if not key.endswith("_why") and key != "layers":
            why = f"n/a: {found.get(f'{key}_why', 'not stated')}"
            print(f"{key:<22} {why if value is None else f'{value:,}' if type(value) is int else value}")
    return 0


def document(path: Path, dtype: str | None, kv_dtype: str | None, trust_remote_code: bool = False) -> Json:
    """The facts as JSON: the keys of ArchitectureFacts, FLOPs, what is stored; null beside `<key>_why`.

    Args:
        path: a folder with config.json (weights there are counted as stored), or a configuration file.
        dtype: the engine's; None: the one that the model states, else bfloat16.
        kv_dtype: the KV cache's; None: what the checkpoint states, else the engine's.

    Raises:
        UserError: there is no readable configuration, or a dtype has no such name.
    """
    from evalpress.model import config

    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{told(file)}: file not found, allowed a model folder or a configuration file")
    stated = config.in_file(file, told(file))
    if not stated.get("model_type") and not stated.get("architectures"):
        raise UserError(f"{told(file)}: model_type: missing, and so is architectures; one of them must be given")
    if path.is_dir():
        return _document(path, dtype, kv_dtype, trust_remote_code)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(path, Path(folder) / "config.json")
        return _document(Path(folder), dtype, kv_dtype, trust_remote_code)


def _document(folder: Path, dtype: str | None, kv_dtype: str | None, trust_remote_code: bool) -> Json:
    from evalpress.model import BYTES, config, read, weights

    configuration = config.read(folder, trust_remote_code)
    wanted = dtype or config.dtype(configuration) or "bfloat16"
    if dtype is not None and dtype not in BYTES:
        raise UserError(f"--engine-dtype: found {dtype!r}, allowed {', '.join(BYTES)}")
    figures = read(folder, wanted if wanted in BYTES else "bfloat16", trust_remote_code, kv_dtype)
    stored = weights.stored(folder, figures.tied)
    rows: Json = {key: getattr(figures, key) for key in _KEYS}
    rows |= {
        "model_type": configuration.model_type or None,
        "flops_per_token": figures.decode_flops(1),
        "stored_numbers": stored.numbers if stored else None,
        "stored_bytes": stored.bytes if stored else None,
        "max_positions": config.positions(configuration),
        "layers": _layers(figures.layers),
    }
    known = figures.reasons() | {
        "quantisation": "the checkpoint is not quantised",
        "experts_used": figures.reasons().get("inactive_parameters", "no experts"),
        "stored_numbers": "no safetensors files",
        "stored_bytes": "no safetensors files",
        "layers": figures.why.get("layers", ""),
    }
    absent = "config.json does not state it"
    return rows | {f"{key}_why": known.get(key) or absent for key, value in rows.items() if value is None}


def _layers(found: Any) -> list[Json] | None:
    """Groups of consecutive equal layers: count, attention and window, KV values per token, recurrent state."""
    if found is None:
        return None
    rows: list[Json] = []
    for layer in found:
        row = {
            "attention": layer.reach or "none",
            "window": layer.window,
            "kv_values_per_token": layer.kv_values,
            "recurrent": layer.recurrent,
        }
        if rows and {key: rows[-1][key] for key in row} == row:
            rows[-1]["count"] += 1
        else:
            rows.append({"count": 1, **row})
    return rows
