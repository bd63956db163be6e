"""lm-evaluation-harness on an engine of this package: the vLLM class of the harness around an engine that is loaded."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from collections.abc import Mapping, Sequence
from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.core.paths import CACHE, ROOT
from evalpress.core.plain import Json
from evalpress.engine import vllm_compat
from evalpress.engine.core import Engine
from evalpress.engine.start import one_line

DISTRIBUTION = "lm_eval"
INSTALL = "pip install 'lm_eval>=0.4.9' (or this project's extra: pip install -e '.[lm-eval]')"


def version() -> str | None:
    """The installed harness's version, or None."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None


def evaluate(
    loaded: Engine, folder: str, tasks: Sequence[str], include_path: str | None, options: Mapping[str, Any]
) -> Json:
    """The harness's result for the tasks, every sample included.

    Args:
        loaded: an engine with `logprobs_mode="raw_logprobs"`: the harness sums log-probabilities of the prompt.
        folder: the model's folder, for tokenizer and configuration.
        include_path: a folder of task files besides the harness's own; where it has all tasks, no other is read.
        options: further keywords of `lm_eval.simple_evaluate`.

    Raises:
        MeasurementError: the harness failed; one line saying why.
    """
    os.environ.setdefault("HF_DATASETS_CACHE", str(CACHE / "datasets"))
    try:
        # Data files of a task are named relative to the project.
        with contextlib.chdir(ROOT), vllm_compat.a_distribution_called_vllm():
            from lm_eval import simple_evaluate
            from lm_eval.tasks import TaskManager

            own = TaskManager(include_path=include_path, include_defaults=False) if include_path else None
            manager = own if own and set(tasks) <= set(own.all_tasks) else TaskManager(include_path=include_path)
            model = _model(loaded, folder)
            with vllm_compat.HARNESS_HOST.replaced(lambda results: None):
                found = simple_evaluate(
                    model=model,
                    tasks=list(tasks),
                    task_manager=manager,
                    log_samples=True,
                    bootstrap_iters=1000,
                    **options,
                )
    except Exception as error:
        raise MeasurementError(f"lm-evaluation-harness: {one_line(error)}") from error
    if found is None:
        raise MeasurementError("lm-evaluation-harness gave no result (not the first rank)")
    return dict(found)


def _model(loaded: Engine, folder: str) -> Any:
    """The harness's vLLM model around a loaded engine: requests, truncation and parsing are the harness's own."""
    from lm_eval.models import vllm_causallms

    keys = ("dtype", "max_model_len", "tensor_parallel_size", "seed", "trust_remote_code")
    arguments = {key: loaded.arguments[key] for key in keys if key in loaded.arguments}
    with vllm_compat.HARNESS_ENGINE.replaced(lambda **_: loaded.llm) as replaced:
        if not replaced:
            raise MeasurementError("it cannot take an engine that is loaded, with this vLLM")
        return vllm_causallms.VLLM(pretrained=folder, batch_size="auto", **arguments)
