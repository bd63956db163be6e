"""docs/architectures.md: the facts of every causal language model that both transformers and the installed vLLM
support.

Default configurations, no weights. Each figure is beside an independent count: parameters of the class that
transformers builds on the meta device, KV values that its own cache holds after a forward pass there.

    python scripts/architectures_docs.py            writes it (a minute or two)
    python scripts/architectures_docs.py --check    says whether it is current
"""

from __future__ import annotations

import logging
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.model import installed_vllm, read
from evalpress.model.facts import ArchitectureFacts

PAGE = ROOT / "docs" / "architectures.md"
EXPANDED = frozenset(("minicpm3",))
"""vLLM caches their heads expanded, transformers the latent."""
_TOKENS = 10
_UNCACHED = re.compile(r"(MLP|MoE|MoeBlock|TextMoe|FeedForward|FFN|Norm)$")
"""Classes of layers that keep nothing in the cache and take most of the time of a pass."""
_HEAD = """# Architectures

Every `…ForCausalLM` that both transformers {transformers} and vLLM {vllm} support, with transformers' default
configuration; made by `make docs` (`scripts/architectures_docs.py`), and a test holds it against two independent
counts: the parameters of the class built without memory, and the numbers that its own KV cache holds after a pass.
`evalpress facts FOLDER` prints the same for any model folder or config.json.

«KV» is numbers per token in the cache while every layer reaches the token (of windowed layers up to their window);
«state» is numbers of recurrent state per sequence; «inactive» are the parameters of experts that a token does not use.

| model type | architecture | parameters | inactive | attention layers | KV | state | FLOPs |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """One architecture: our figures, and the independent counts (None where transformers cannot tell)."""

    model_type: str
    architecture: str
    found: ArchitectureFacts | None
    refused: str | None
    parameters: int | None
    kv_values: int | None


def rows() -> Iterator[Row]:
    """Every architecture known to both libraries."""
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as names

    known = installed_vllm.generates()
    for model_type, named in sorted(names.items()):
        architecture = named if isinstance(named, str) else named[0]
        if architecture not in known or not architecture.endswith(("ForCausalLM", "LMHeadModel")):
            continue
        config = CONFIG_MAPPING[model_type]()
        config.architectures = [architecture]
        with tempfile.TemporaryDirectory() as folder:
            config.save_pretrained(folder)
            try:
                found, refused = read(Path(folder), "bfloat16"), None
            except UserError as error:
                found, refused = None, str(error)
        yield Row(model_type, architecture, found, refused, *_independent(config))


def _independent(config: Any) -> tuple[int | None, int | None]:
    """(parameters, KV values per token) by transformers itself on the meta device."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    except Exception:
        return None, None
    count = sum(parameter.numel() for parameter in model.parameters())
    for shortened in (lambda hidden, *_, **__: hidden, lambda hidden, *_, **__: (hidden, None), None):
        for layer in model.modules():
            if shortened is None:
                layer.__dict__.pop("forward", None)
            elif _UNCACHED.search(type(layer).__name__):
                layer.forward = shortened
        try:
            return count, _cached(model)
        except Exception:  # the layer returns something else, or the model needs more than tokens
            continue
    return count, None


def _cached(model: Any) -> int:
    """Numbers per token in the model's own cache after a pass."""
    import torch

    with torch.no_grad():
        ids = torch.zeros(1, _TOKENS, dtype=torch.long, device="meta")
        cache = model(input_ids=ids, use_cache=True).past_key_values
    kept = [part for layer in cache.layers for part in (getattr(layer, "keys", None), getattr(layer, "values", None))]
    return sum(part.numel() for part in kept if isinstance(part, torch.Tensor)) // _TOKENS


def page(found: list[Row]) -> str:
    """The whole page."""
    import transformers

    head = _HEAD.format(transformers=transformers.__version__, vllm=installed_vllm.version())
    return head + "".join(_line(row) for row in found) + _notes(found)


def _line(row: Row) -> str:
    if row.found is None:
        return f"| {row.model_type} | {row.architecture} | refused: {row.refused} | | | | | |\n"
    f = row.found
    layers = f.layers or ()
    attending = f"{sum(layer.reach is not None for layer in layers)} of {len(layers)}" if layers else "n/a"
    cells = [f.parameters, f.inactive_parameters, attending, f.kv_values_per_token, f.recurrent_values]
    shown = [f"{cell:,}" if isinstance(cell, int) else cell or "n/a" for cell in cells]
    return f"| {row.model_type} | {row.architecture} | {' | '.join(shown)} | {'n/a' if f.flops_unknown else 'yes'} |\n"


def _notes(found: list[Row]) -> str:
    reasons: dict[str, list[str]] = {}
    for row in found:
        for key in ("parameters", "inactive_parameters", "kv_values_per_token", "flops_per_token", "recurrent_values"):
            known = row.found is None or (
                row.found.flops_unknown is None if key == "flops_per_token" else getattr(row.found, key) is not None
            )
            if not known and row.found is not None:
                reasons.setdefault(row.found.reasons()[key], []).append(row.model_type)
    lines = [f"- {why}: {', '.join(dict.fromkeys(names))}\n" for why, names in sorted(reasons.items())]
    return f"\n{len(found)} architectures. Why a figure is n/a:\n\n" + "".join(lines)


def main() -> int:
    """Write the page, or say whether it is current."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    text = page(list(rows()))
    if "--check" in sys.argv:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        print(f"{PAGE.relative_to(ROOT)}: {'current' if current else 'not current: run make docs'}")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
