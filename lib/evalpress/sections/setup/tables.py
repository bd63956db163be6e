"""The setup section's tables: model, adaptation, environment, version set, run book, published claims."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document, Model
from evalpress.core.units import MIB
from evalpress.display.completion import own_functions
from evalpress.display.tables import (
    Badge,
    Cell,
    Code,
    Column,
    Missing,
    Prose,
    Quantity,
    Table,
    code,
    escape_markdown,
    fence,
    output,
)
from evalpress.params.schema import Params
from evalpress.sections.registry import by_name, skip_reason
from evalpress.sections.setup.results import ModelTable, Results

__dir__ = own_functions(__name__)


def _told(record: Model, key: str) -> Any:
    """A field of a part of the results, or the reason why it is null."""
    value = getattr(record, key)
    return Missing(getattr(record, f"{key}_why", None) or "not recorded") if value is None else value


_SHAPE = {
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "num_hidden_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "num_key_value_heads": "num_key_value_heads",
    "head_dim": "head dimension",
    "vocab_size": "vocab_size",
    "max_position_embeddings": "max_position_embeddings",
    "rope_theta": "rope_theta",
    "rms_norm_eps": "rms_norm_eps",
    "tie_word_embeddings": "tie_word_embeddings",
    "hidden_act": "hidden_act",
}


def model(document: Document[Results]) -> Table:
    """The model table: every row of its configuration that a card prints, and the figures that follow."""
    m = document.data.model
    rows: list[list[Cell]] = [
        ["model", m.name],
        ["source", Code(m.source)],
        ["architecture", _architectures(m)],
        [
            "parameters",
            _told(m, "parameters")
            if m.parameters is None
            else f"{m.parameters:,} (counted from the {m.parameters_from})",
        ],
        [
            "weights in the engine's dtype",
            _told(m, "weight_bytes")
            if m.weight_bytes is None
            else f"{m.weight_bytes:,} bytes = {m.weight_bytes / MIB:,.1f} MiB ({m.engine_dtype})",
        ],
        [
            "KV cache per token",
            _told(m, "kv_bytes_per_token") if m.kv_bytes_per_token is None else f"{m.kv_bytes_per_token:,} bytes",
        ],
    ]
    for key, label in _SHAPE.items():
        value = _told(m, key)
        rows.append([label, value if isinstance(value, Missing) else _plain(value) + _grouped(m, key)])
    rows.append(["kind", f"{'base' if m.base_model else 'instruct'} model: {m.base_model_how}"])
    rows.append(["digest of its files (SHA-256)", Code(m.digest.sha256)])
    return Table("The model", ["", Column("value", align="left", wide=True)], rows)


def _architectures(m: ModelTable) -> Cell:
    return _told(m, "architectures") if m.architectures is None else ", ".join(m.architectures)


def _grouped(m: ModelTable, key: str) -> str:
    """Grouped-query attention has fewer heads for keys and values than for queries."""
    heads, pairs = m.num_attention_heads, m.num_key_value_heads
    fewer = isinstance(pairs, int) and heads is not None and pairs < heads
    return " (GQA)" if key == "num_key_value_heads" and fewer else ""


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def adaptation(document: Document[Results]) -> Table:
    """What the installed vLLM needs to run this model."""
    a = document.data.adaptation
    code_words = "needed" if a.remote_code.needed else "not needed"
    platform = a.platform_plugin
    if platform is None:
        plugin: Cell = f"none needed: {a.platform_plugin_why}"
    else:
        plugin = f"{platform}: {'installed' if a.platform_plugin_installed else 'not installed'}"
    rows: list[list[Cell]] = [
        ["status", f"adaptation needed: {a.status}"],
        ["why", a.why],
        [
            "registered in this vLLM",
            f"{'yes' if a.registered else 'no'} (of {a.registered_architectures} architectures)",
        ],
        ["code that comes with the model", code_words],
        ["platform plugin", plugin],
    ]
    return Table("Adaptation status", ["", Column("found", wide=True)], rows)


def environment(document: Document[Results]) -> Table:
    """Versions, device, memory, driver and host."""
    e = document.data.environment
    host, device, versions = e.host, e.device, e.versions
    ascend = e.backend == "ascend" or versions.vllm_ascend is not None
    rows: list[list[Cell]] = [
        ["platform", e.backend],
        ["device", f"{device.count} × {device.name}" if device.count > 1 else device.name],
        [
            "device memory",
            Quantity(device.memory_total_gib, "GiB") if device.memory_total_gib else Missing("not reported"),
        ],
        ["driver", _told(device, "driver_version")],
        *([["CANN", _told(versions, "cann")]] if ascend else []),
        ["vLLM", f"{versions.vllm} (distribution {versions.vllm_distribution})"],
        *([["vLLM-Ascend", _told(versions, "vllm_ascend")]] if ascend else []),
        ["torch", _told(versions, "torch")],
        *([["torch-npu", _told(versions, "torch_npu")]] if ascend else []),
        ["transformers", _told(versions, "transformers")],
        ["Python", host.python],
        ["CPU", f"{host.cpu_model}, {host.cpu_cores_usable} usable cores ({', '.join(host.cpu_features)})"],
        ["memory of the host", Quantity(host.ram_total_gib, "GiB")],
        ["operating system", f"{host.os}, kernel {host.kernel}, {host.architecture}"],
        ["compiler", _told(host, "compiler")],
    ]
    return Table("Hardware and software", ["", Column("found", align="left", wide=True)], rows)


def variables(document: Document[Results]) -> Table:
    """Environment variables that matter and libraries that were loaded before the engine."""
    data = document.data
    rows: list[list[Cell]] = [["variable", Code(k), Code(v)] for k, v in data.environment.variables.items()]
    rows += [
        ["library", Code(item.library), item.source + ("" if item.active else ", not active")]
        for item in data.preloaded
    ]
    if not rows:
        rows = [["none", "", ""]]
    return Table("Environment variables and preloaded libraries", ["kind", "name", Column("value", wide=True)], rows)


def versions(document: Document[Results]) -> Table:
    """Each component of the version set: found, expected, verdict, source."""
    rows = [
        [c.component, Badge(c.status), _told(c, "found"), c.expected, c.why, c.source]
        for c in document.data.version_check
    ]
    heads: list[Column | str] = ["component", "status", "found", "expected", "why", Column("source", wide=True)]
    return Table("Version set", heads, rows)


_RUN = {
    "offline": "The {} section of this report loads this engine with these arguments.",
    "serve": "The {} section of this report starts this module with these arguments and states how.",
    "fast_start": "The {} section of this report starts this module with these arguments and states how.",
}
"""For commands whose process the report starts in its own way; any other is run unchanged."""


def runbook(document: Document[Results], params: Params | None = None) -> Prose:
    """Every command, with where this report ran it.

    Args:
        params: of the report that shows it; a section that they leave out, after it was measured, is named as such.
    """
    book = document.data.runbook
    parts = []
    for command in book.commands:
        ran = _RUN.get(command.id, "Run by the {} section of this report.").format(command.runs_in)
        ran = ran if command.runs_in else ""
        if command.runs_in and params and skip_reason(by_name(command.runs_in), params):
            ran = f"Not shown in this report: the section {command.runs_in} is left out."
        where = escape_markdown(ran or f"Not run here: {command.runs_in_why}.")
        title = escape_markdown(command.title)
        parts.append(f"**{title}.** {where}\n\n{fence(command.text, command.language)}")
    return Prose("\n\n".join(parts))


def settings(document: Document[Results]) -> Table:
    """Determinism, communication and thread settings of the platform, and whether they were set."""
    rows = [
        [Code(s.name), Code(s.value), s.purpose, s.effect, _told(s, "found"), s.read_by]
        for s in document.data.runbook.settings
    ]
    heads: list[Column | str] = ["setting", "value", "for", Column("effect", wide=True), "in this run", "read by"]
    return Table("Settings of this platform", heads, rows)


def left_out(document: Document[Results]) -> Prose:
    """What other pages print and this run book does not, and why."""
    rows = document.data.runbook.left_out
    return Prose("Left out on purpose:\n\n" + "\n".join(f"- {code(r.what)}: {escape_markdown(r.why)}" for r in rows))


def claims(document: Document[Results]) -> Table | Prose:
    """What an audit of published numbers found, broken statements first; those that hold are counted."""
    audited = document.data.claims
    if not audited:
        return Prose("This set names no published claims.")
    marks = {"broken": Badge("fail", "broken"), "note": Badge("warn", "note")}
    rows: list[list[Cell]] = [
        [marks[f.status], f.statement, output(f.found), f.why]
        for card in audited
        for f in card.findings
        if f.status != "ok"
    ]
    holding = sum(f.status == "ok" for card in audited for f in card.findings)
    heads: list[Column | str] = [
        "status",
        Column("what must hold", wide=True),
        Column("as published", wide=True),
        Column("what follows", wide=True),
    ]
    note = f"{holding} more statements were checked and hold; they are in results/setup.json."
    return Table("Published claims, not measured here", heads, rows, note=note, row_heads=False)


def claim_source(document: Document[Results]) -> Prose:
    """Whose claims these are."""
    said = []
    for card in document.data.claims:
        words = "; ".join(
            f"{escape_markdown(key)}: {escape_markdown(str(value))}" for key, value in card.source.items()
        )
        said.append(f"- {code(card.file)}: {words}")
    return Prose("Sources of the claims:\n\n" + "\n".join(said) if said else "")
