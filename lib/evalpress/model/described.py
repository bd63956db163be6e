"""Parts of results that say how a model was loaded and asked."""

from __future__ import annotations

from typing import TypedDict

from evalpress.core.results import Model


class Described(TypedDict):
    """How transformers runs a model: dtype, device, attention, seconds of loading, threads of the processor."""

    dtype: str
    device: str
    attention: str
    load_s: float
    threads: int


class ChatTemplate(Model):
    """The template through which prompts went."""

    sha256: str
    text: str


class Asking(Model):
    """How a model is asked."""

    base_model: bool
    base_model_how: str
    chat_template: ChatTemplate | None
    chat_template_why: str | None = None
