"""Does this vLLM run the model as it is: architecture registered, plugins, remote code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from evalpress.core.plain import Fields
from evalpress.model import config

PLUGIN_GROUPS = ("vllm.platform_plugins", "vllm.general_plugins")
_FALLBACK = "TransformersForCausalLM"
"""vLLM's own class that runs an unregistered architecture through transformers' modelling code."""


def plugins() -> list[dict[str, str]]:
    """The vLLM plugins installed here: group, name and the distribution that brings them."""
    found = [point for group in PLUGIN_GROUPS for point in metadata.entry_points(group=group)]
    return [
        {"group": point.group, "name": point.name, "distribution": point.dist.name if point.dist else "unknown"}
        for point in found
    ]


def remote_code(folder: Path) -> dict[str, bool]:
    """Whether the folder carries its own code (auto_map), and whether it is needed to read the config."""
    ships = bool(config.raw(folder).get("auto_map"))
    return {"ships_code": ships, "needed": ships and config.load(folder) is None}


def adaptation(
    folder: Path,
    supported: Sequence[str],
    platform_plugin: str | None,
    found_plugins: Sequence[Mapping[str, str]],
) -> Fields:
    """What running the model in `folder` on the installed vLLM needs.

    Args:
        folder: the model.
        supported: the architectures that this vLLM has registered.
        platform_plugin: the plugin that the backend needs ("ascend"), None where vLLM has it built in.
        found_plugins: as `plugins()` gives them.

    Returns:
        `status`: `none` (runs without any change), `fallback` (through transformers' modelling code),
        `remote_code` (only with the model's own code) or `unsupported`; with the reasons beside it.
    """
    architectures = [str(name) for name in config.raw(folder).get("architectures") or []]
    registered = [name for name in architectures if name in supported]
    code = remote_code(folder)
    names = {str(plugin["name"]) for plugin in found_plugins}
    if registered:
        status, why = "none", f"{registered[0]} is registered in this vLLM"
    elif code["needed"]:
        status, why = "remote_code", "the model's own code defines its architecture (model.trust_remote_code)"
    elif _FALLBACK in supported and config.load(folder) is not None:
        status, why = "fallback", "not registered in this vLLM; it runs through transformers' modelling code"
    else:
        status, why = "unsupported", "neither registered in this vLLM nor known to transformers"
    found: Fields = {
        "status": status,
        "why": why,
        "architectures": architectures,
        "registered": bool(registered),
        "registered_architectures": len(supported),
        "remote_code": code,
        "plugins": list(found_plugins),
        "platform_plugin": platform_plugin,
        "platform_plugin_installed": platform_plugin in names if platform_plugin else None,
    }
    if platform_plugin is None:
        built_in = "vLLM has this platform built in"
        found |= {"platform_plugin_why": built_in, "platform_plugin_installed_why": built_in}
    return found
