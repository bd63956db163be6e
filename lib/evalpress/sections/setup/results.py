"""What the setup section found: the schema of `results/setup.json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from evalpress.core.plain import Json
from evalpress.core.results import Model
from evalpress.core.results import Results as Base
from evalpress.platforms.facts import DeviceTable, HostFacts, Preloaded
from evalpress.platforms.versions import Verdict

Count = int | None
Reason = str | None


class FileDigest(Model):
    """One file of the model."""

    bytes: int
    sha256: str


class Digest(Model):
    """The model's files, each and all together."""

    sha256: str
    files: dict[str, FileDigest]


class ModelTable(Model):
    """The values of the configuration that a card prints, and the figures that follow from them."""

    name: str
    source: str
    revision: str | None
    revision_why: Reason = None
    architectures: tuple[str, ...] | None
    architectures_why: Reason = None
    model_type: str | None
    model_type_why: Reason = None
    hidden_size: Count
    hidden_size_why: Reason = None
    intermediate_size: int | tuple[int, ...] | None
    intermediate_size_why: Reason = None
    num_hidden_layers: Count
    num_hidden_layers_why: Reason = None
    num_attention_heads: Count
    num_attention_heads_why: Reason = None
    num_key_value_heads: int | tuple[int, ...] | None
    num_key_value_heads_why: Reason = None
    vocab_size: Count
    vocab_size_why: Reason = None
    max_position_embeddings: Count
    max_position_embeddings_why: Reason = None
    rms_norm_eps: float | None
    rms_norm_eps_why: Reason = None
    tie_word_embeddings: bool | None
    tie_word_embeddings_why: Reason = None
    hidden_act: str | None
    hidden_act_why: Reason = None
    head_dim: Count
    head_dim_why: Reason = None
    rope_theta: float | None
    rope_theta_why: Reason = None
    config_dtype: str | None = Field(description="The dtype that config.json states.")
    config_dtype_why: Reason = None
    engine_dtype: str = Field(description="The dtype that the set's engine computes in.")
    kv_cache_dtype: str | None = Field(description="The dtype of the KV cache.")
    kv_cache_dtype_why: Reason = None
    experts: Count = Field(description="Routed experts per layer; 0 for a dense model.")
    experts_why: Reason = None
    parameters: Count = Field(description="Parameters of the architecture, a tied tensor once.")
    parameters_why: Reason = None
    parameters_from: str | None
    parameters_from_why: Reason = None
    inactive_parameters: Count = Field(description="Parameters of experts that one token does not use.")
    inactive_parameters_why: Reason = None
    parameters_by_weights: Count
    parameters_by_weights_why: Reason = None
    parameters_by_architecture: Count
    parameters_by_architecture_why: Reason = None
    embedding_parameters: Count
    embedding_parameters_why: Reason = None
    weight_bytes: Count = Field(description="Bytes of the weights in the engine's dtype.")
    weight_bytes_why: Reason = None
    weight_mib: float | None = Field(description="`weight_bytes` in MiB.")
    weight_mib_why: Reason = None
    stored_bytes: Count = Field(description="Bytes of the tensors in the folder's files.")
    stored_bytes_why: Reason = None
    stored_dtypes: dict[str, int] = Field(description="Numbers per dtype in the folder's files.")
    kv_bytes_per_token: int | float | None = Field(description="Bytes of KV cache that one token takes.")
    kv_bytes_per_token_why: Reason = None
    flops_per_token: int | float | None = Field(description="Floating-point operations of one decoded token.")
    flops_per_token_why: Reason = None
    weights: str = Field(description="Trained or random.")
    base_model: bool
    base_model_how: str
    instruct_model: str | None
    instruct_model_why: Reason = None
    digest: Digest


class RemoteCode(Model):
    """Code that comes with the model."""

    ships_code: bool
    needed: bool


class Plugin(Model):
    """A vLLM plugin that is installed here."""

    group: str
    name: str
    distribution: str | None
    distribution_why: Reason = None


class Adaptation(Model):
    """What running the model on the installed vLLM needs."""

    status: Literal["none", "fallback", "remote_code", "unsupported"]
    why: str
    architectures: tuple[str, ...]
    registered: bool
    registered_architectures: int
    remote_code: RemoteCode
    plugins: tuple[Plugin, ...]
    platform_plugin: str | None
    platform_plugin_why: Reason = None
    platform_plugin_installed: bool | None
    platform_plugin_installed_why: Reason = None


class Versions(Model):
    """Installed versions; a component that is not installed is null."""

    python: str
    vllm: str | None
    vllm_why: Reason = None
    vllm_ascend: str | None
    vllm_ascend_why: Reason = None
    torch: str | None
    torch_why: Reason = None
    torch_npu: str | None
    torch_npu_why: Reason = None
    triton_ascend: str | None
    triton_ascend_why: Reason = None
    transformers: str | None
    transformers_why: Reason = None
    tokenizers: str | None
    tokenizers_why: Reason = None
    safetensors: str | None
    safetensors_why: Reason = None
    numpy: str | None
    numpy_why: Reason = None
    cann: str | None
    cann_why: Reason = None
    vllm_distribution: str | None = Field(description="The distribution that vLLM came in.")
    vllm_distribution_why: Reason = None


class Environment(Model):
    """Where the report was made."""

    versions: Versions
    backend: str
    device: DeviceTable
    host: HostFacts
    variables: dict[str, str]


class Command(Model):
    """One command or snippet of the run book, and the section that runs exactly this."""

    id: str
    title: str
    language: str
    text: str
    argv: tuple[str, ...] | None = None
    env: dict[str, str] | None = None
    runs_in: str | None
    runs_in_why: Reason = None


class Setting(Model):
    """One environment variable of the platform that serves a purpose."""

    name: str
    value: str
    purpose: str
    effect: str
    read_by: str
    source: str
    found: str | None = Field(description="Its value in this run.")
    found_why: Reason = None


class LeftOut(Model):
    """What other run books print and this one does not."""

    what: str
    why: str


class RunBook(Model):
    """Commands and settings, generated from the parameters."""

    commands: tuple[Command, ...]
    settings: tuple[Setting, ...]
    left_out: tuple[LeftOut, ...]


class Finding(Model):
    """One statement about published numbers, audited."""

    id: str
    status: Literal["ok", "note", "broken"]
    statement: str
    found: str
    expected: str
    why: str


class Claims(Model):
    """One file of published numbers: their source and what the audit found."""

    file: str
    source: dict[str, str]
    findings: tuple[Finding, ...]


class NotRun(Model):
    """A command of the run book that this report does not run."""

    id: str
    why: str


class Results(Base):
    """Everything that the setup section found."""

    VERSION: ClassVar[int] = 2

    model: ModelTable
    adaptation: Adaptation
    environment: Environment
    version_check: tuple[Verdict, ...]
    preloaded: tuple[Preloaded, ...]
    runbook: RunBook
    claims: tuple[Claims, ...]
    not_run: tuple[NotRun, ...]

    @classmethod
    def migrate(cls, data: Json, version: int) -> Json:
        """Version 1 had neither the KV cache's dtype nor inactive parameters."""
        table = dict(data["model"])
        for key in ("kv_cache_dtype", "inactive_parameters"):
            if key not in table:
                table |= {key: None, f"{key}_why": "not recorded by the version of the suite that measured this"}
        return data | {"model": table}
