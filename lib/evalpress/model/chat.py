"""How a prompt is sent to the model: unchanged for a base model, through the chat template for an instruct model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress import model
from evalpress.core.errors import MeasurementError
from evalpress.core.paths import shown
from evalpress.model.described import Asking, ChatTemplate
from evalpress.model.isolated import Isolated
from evalpress.params.schema import Params

_PROBE = "Is this text still here?"


@dataclass(frozen=True)
class RenderedPrompt:
    """What the model is sent: the rendered text and its token ids."""

    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class PromptFormatter:
    """Renders prompts for the set's model; `templated` is false for a base model."""

    tokenizer: Any
    templated: bool
    source: str = "the model"
    """The model's folder, for messages."""

    def render(self, prompt: str) -> RenderedPrompt:
        """The prompt rendered. A chat template writes its own special tokens; without one the tokenizer adds them.

        Raises:
            MeasurementError: the template raises, does not parse, or leaves the prompt out.
        """
        if not self.templated:
            return RenderedPrompt(prompt, tuple(self.tokenizer.encode(prompt)))
        message = [{"role": "user", "content": prompt}]
        try:
            text = str(self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is the model's own program: it can raise any exception
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise MeasurementError(f"{self.source}: chat template: {said[:300]}") from None
        if prompt.strip() not in text:
            raise MeasurementError(f"{self.source}: chat template: the rendered prompt does not hold the user's text")
        return RenderedPrompt(text, tuple(self.tokenizer.encode(text, add_special_tokens=False)))


def formatter(params: Params, tokenizer: Any = None) -> PromptFormatter:
    """The formatter of the set's prompts, with the tokenizer of its folder or one that is already loaded.

    The template is tried on a short message at once, so that a broken one is reported before any request.

    Raises:
        MeasurementError: as `describe` and `PromptFormatter.render`, or transformers cannot load the tokenizer.
    """
    templated = not describe(params).base_model
    loaded = load_tokenizer(params) if tokenizer is None else tokenizer
    return _tried(PromptFormatter(loaded, templated, shown(model.resolve(params))))


def problem(params: Params) -> str | None:
    """Why prompts cannot be rendered for the set's model, in one line with its folder; None where they can.

    For a report, before it measures anything: the template is tried in a separate process, so that this one imports
    neither torch nor transformers. A base model has no template to try.
    """
    try:
        if not describe(params).base_model:
            with Isolated(__name__) as process:
                for _ in process.stream(f"{__name__}:try_template", model.resolve(params), _trust(params)):
                    pass
    except MeasurementError as error:
        return str(error)
    return None


def try_template(folder: Path, trust_remote_code: bool) -> Iterator[None]:
    """Render a short message through the chat template of a folder.

    Raises:
        MeasurementError: as `of`.
    """
    _tried(PromptFormatter(_tokenizer(folder, trust_remote_code), True, shown(folder)))
    yield None


def _tried(found: PromptFormatter) -> PromptFormatter:
    found.render(_PROBE)
    return found


def describe(params: Params) -> Asking:
    """For a results file: base model or not, how that is known, and the chat template with its digest.

    Raises:
        MeasurementError: the set says that this is an instruct model, and it has no chat template.
    """
    is_base, how = model.base_model(params)
    if is_base:
        why = "a base model is asked the prompt unchanged"
        return Asking(base_model=True, base_model_how=how, chat_template=None, chat_template_why=why)
    folder = model.resolve(params)
    template = model.chat_template(folder)
    if template is None:
        raise MeasurementError(
            f"{shown(folder)}: model.base_model: found false, but the model has no chat template; allowed true, or a "
            "model with one"
        )
    sha256 = hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()
    return Asking(base_model=False, base_model_how=how, chat_template=ChatTemplate(sha256=sha256, text=template))


def load_tokenizer(params: Params) -> Any:
    """The tokenizer of the set's folder, as transformers loads it.

    Raises:
        MeasurementError: transformers cannot load it.
    """
    return _tokenizer(model.resolve(params), _trust(params))


def _trust(params: Params) -> bool:
    return params.model.trust_remote_code


def _tokenizer(folder: Path, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, ImportError) as error:
        raise MeasurementError(f"{shown(folder)}: tokenizer cannot be loaded: {str(error).splitlines()[0]}") from None
