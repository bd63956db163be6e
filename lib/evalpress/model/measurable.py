"""Whether a set's model can be measured at all, reported before anything starts. Reads files only, no weights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.paths import told
from evalpress.model import config, installed_vllm
from evalpress.model.config import Configuration
from evalpress.model.facts import quantisation_method
from evalpress.model.source import resolve
from evalpress.params.schema import Params

_TOKENIZERS = (
    *("tokenizer.json", "tokenizer.model", "tokenizer.model.v3", "vocab.json", "vocab.txt", "spiece.model"),
    *("sentencepiece.bpe.model", "spm.model", "tekken.json", "tiktoken.model", "source.spm", "vocab.bpe"),
)
"""Files that transformers or vLLM load a tokenizer from."""
_PROCESSORS = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
_GENERATING = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "LMHead")
_CPU_QUANTISATIONS = frozenset(
    ("awq", "auto_awq", "gptq", "auto_gptq", "compressed-tensors", "inc", "auto-round", "fp8", "mxfp4", "humming")
)
"""Methods that vLLM 0.32 has CPU kernels or conversions for; further refusals of vLLM come when it loads the model."""


def check(params: Params) -> None:
    """Refuse a set whose model cannot be measured.

    Raises:
        UserError: one line per reason, each with file, line and key.
    """
    folder = resolve(params)
    stated = Configuration(config.raw(folder))
    found = list(_refusals(params, folder, stated))
    if found:
        raise UserError("\n".join(found))


def _refusals(params: Params, folder: Path, stated: Configuration) -> Iterator[str]:
    at = params.where("model.path")
    if why := _architecture(params, folder, stated):
        yield f"{at}: {told(folder)}: {why}"
        return
    if why := _quantisation(params, stated) or _operations(params, stated):
        yield f"{at}: {told(folder)}: {why}"
    if params.model.weights == "trained" and not has_tokenizer(folder):
        yield f"{at}: {told(folder)}: no tokenizer: found none of {', '.join(_TOKENIZERS[:6])} …"
    if why := _length(params, folder, stated):
        yield f"{params.where('engine.max_model_len')}: {why}"


def has_tokenizer(folder: Path) -> bool:
    """Whether the folder holds a file that a tokenizer is loaded from, or code that defines one."""
    if any((folder / name).is_file() for name in _TOKENIZERS) or any(folder.glob("*.tiktoken")):
        return True
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and "AutoTokenizer" in (found.get("auto_map") or {})


def _architecture(params: Params, folder: Path, stated: Configuration) -> str | None:
    """Why the architecture is not one to measure here; None where it is."""
    named = stated.stated.get("architectures")
    names = [str(name) for name in named] if isinstance(named, list) else []
    if not names:
        return "config.json names no architecture (key architectures)"
    generates, seen = installed_vllm.generates(), ", ".join(names)
    if stated.stated.get("is_encoder_decoder") is True:
        return f"{seen}: an encoder-decoder model; only causal language models can be measured"
    if (folder / "modules.json").is_file() and "ooling" in (folder / "modules.json").read_text(encoding="utf-8"):
        return (
            f"{seen}: an embedding model (modules.json pools its output); only causal language models can be measured"
        )
    if not generates or any(name in generates for name in names):
        return None
    if any(name in installed_vllm.multimodal() for name in names):
        return _multimodal(params, folder, seen)
    if any(name in installed_vllm.other_tasks() for name in names) or not seen.endswith(_GENERATING):
        return f"{seen}: not a causal language model: it generates no text"
    return _unregistered(params, folder, names)


def _multimodal(params: Params, folder: Path, seen: str) -> str | None:
    if not any((folder / name).is_file() for name in _PROCESSORS):
        return f"{seen}: multimodal, and vLLM needs its {_PROCESSORS[0]}, which the folder lacks"
    found = config.read(folder, params.model.trust_remote_code)
    if found.known is None:
        return f"{seen}: multimodal, and {found.unknown_why}"
    if found.known.get_text_config() is found.known:
        return f"{seen}: multimodal without a text configuration; only its text part could be measured"
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as known_to_transformers

    if found.known.model_type not in known_to_transformers:
        return f"{seen}: multimodal, and transformers loads no causal language model from it to compare with"
    return None


def _unregistered(params: Params, folder: Path, names: list[str]) -> str | None:
    """An architecture that vLLM's registry lacks: through transformers' code, a plugin's or the model's own."""
    if installed_vllm.has_foreign_plugins():
        return None
    import transformers

    found = config.read(folder, params.model.trust_remote_code)
    lacks = f"{names[0]}: this vLLM ({installed_vllm.version()}) has not registered the architecture"
    if found.known is None:
        hint = (
            ""
            if params.model.trust_remote_code or not found.stated.get("auto_map")
            else "; its own code needs " + ("model.trust_remote_code: true")
        )
        return f"{lacks}, and {found.unknown_why}{hint}"
    named = getattr(transformers, names[0], None)
    runs = getattr(named, "is_backend_compatible", None)
    if params.model.trust_remote_code or (runs is not None and runs()):
        return None
    return f"{lacks}, and transformers' own code cannot serve as its backend"


def _quantisation(params: Params, stated: Configuration) -> str | None:
    method = quantisation_method(stated)
    known = installed_vllm.quantisations()
    if method is None or not known or params.engine.extra.get("quantization"):
        return None
    if method not in known | {"auto-round", "mxfp4"}:
        return f"quantised by {method!r}, which this vLLM ({installed_vllm.version()}) does not know"
    if params.platform.backend == "cpu" and method not in _CPU_QUANTISATIONS:
        return f"quantised by {method!r}, for which vLLM has no CPU kernels"
    return None


def _operations(params: Params, stated: Configuration) -> str | None:
    """An operation that the architecture needs and vLLM lacks on a CPU: sparse attention, the scan of Mamba 1."""
    if params.platform.backend == "cpu" and stated.get("index_topk"):
        return f"{stated.architecture}: vLLM has no sparse attention (index_topk) on a CPU"
    first_mamba = stated.model_type in ("mamba", "falcon_mamba", "jamba")
    if params.platform.backend == "cpu" and first_mamba and not installed_vllm.has_operation("selective_scan_fwd"):
        return f"{stated.architecture}: this vLLM ({installed_vllm.version()}) cannot run it on a CPU: its build " + (
            "has no selective scan (Mamba 1)"
        )
    return None


def _length(params: Params, folder: Path, stated: Configuration) -> str | None:
    asked, env = params.engine.max_model_len, {**os.environ, **params.engine.env}
    if env.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") == "1" or "hf_overrides" in params.engine.extra:
        return None
    longest = config.positions(stated)
    if longest is None or longest < asked:
        longest = config.positions(config.read(folder, params.model.trust_remote_code))
    if longest is None or asked <= longest:
        return None
    return f"found {asked}, the model's max_position_embeddings allows {longest}"
