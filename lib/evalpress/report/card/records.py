"""The scores of a report in the forms that others read.

- `model-index` in the front matter of README.md, as Hugging Face and `huggingface_hub` read it;
- `.eval_results/*.yaml`, the Hub's current form, for benchmarks that are registered there and were asked whole;
- one record per task of Every Eval Ever 0.3 (github.com/evaleval/every_eval_ever, `eval.schema.json`);
- the accuracy file of the vllm-ascend project, in the shape of its `tests/e2e/models/configs/<Model>.yaml`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import yaml

from evalpress.core.plain import Json
from evalpress.model.recipes import RECIPES
from evalpress.report.card.scores import REGISTERED, Score
from evalpress.report.card.source import Source

SCHEMA = "0.3.0"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_TASK = {"type": "text-generation", "name": "Text Generation"}


def as_yaml(value: Any) -> str:
    """A value as YAML in the order of its keys, innermost lists and mappings on one line each."""
    return str(
        yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=4096, default_flow_style=None)
    )


class _Dumper(yaml.SafeDumper):
    """Without anchors: what occurs twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _OneLine(Json):
    """A mapping that is written on one line, with all that is in it."""


_Dumper.add_representer(
    _OneLine, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def front_matter(source: Source, found: Sequence[Score], languages: Sequence[str]) -> str:
    """The metadata of a model card, between its two lines of dashes."""
    recipe = RECIPES.get(str(source.setup.params["model"].get("recipe")))
    card: Json = {
        "license": recipe.licence.lower() if recipe else "other",
        "library_name": "vllm",
        "pipeline_tag": "text-generation",
        "language": list(languages),
        "tags": ["vllm", source.summary.platform, _hardware_tag(source), "evaluation"],
    }
    card["tags"] = list(dict.fromkeys(tag for tag in card["tags"] if tag))
    if metrics := list(dict.fromkeys(_metric(one) for one in found)):
        card["metrics"] = metrics
        card["model-index"] = [{"name": source.summary.model, "results": _model_index(found)}]
    return f"---\n{as_yaml(card)}---\n"


def _hardware_tag(source: Source) -> str:
    return _UNSAFE.sub("-", (source.device or "").lower()).strip("-")


def _metric(score: Score) -> str:
    """The metric under the name that Hugging Face knows it by."""
    known = {"acc": "accuracy", "acc_norm": "accuracy", "exact_match": "exact_match", "pass_rate": "accuracy"}
    bare = score.metric.split(",")[0]
    return known.get(bare, bare)


def _model_index(found: Sequence[Score]) -> list[Json]:
    tasks: dict[str, Json] = {}
    for one in found:
        result = tasks.setdefault(
            one.task,
            _OneLine(task=_TASK, dataset={"name": one.name, "type": one.dataset or one.task}, metrics=[]),
        )
        result["metrics"].append({"type": _metric(one), "name": _metric_words(one), "value": one.percent})
    return list(tasks.values())


def _metric_words(score: Score) -> str:
    """The metric with what it was computed on: n, shots, a part of the items."""
    shots = "" if score.n_shot is None else f", {score.n_shot}-shot"
    items = "" if score.n is None else f", {score.n} items"
    part = ", not all items of the benchmark" if score.limited else ""
    unit = " in per cent" if score.kind == "share" else ""
    return f"{score.metric}{unit}{shots}{items}{part}"


def eval_results(found: Sequence[Score]) -> dict[str, str]:
    """File name -> content of `.eval_results/`: registered benchmarks only, and only where every item was asked."""
    files = {}
    for one in found:
        registered = REGISTERED.get(one.task)
        if registered is None or one.limited or one.metric != registered.metric:
            continue
        shots = "" if one.n_shot is None else f", {one.n_shot}-shot"
        entry = {
            "dataset": {"id": registered.dataset, "task_id": registered.task},
            "value": one.percent,
            "date": one.measured,
            "notes": f"{one.library} {one.library_version}, {one.metric}{shots}",
        }
        files[f"{registered.task}.yaml"] = as_yaml([entry])
    return files


def every_eval_ever(source: Source, found: Sequence[Score]) -> dict[str, Json]:
    """File name -> record, one per task, with the uncertainty of each score."""
    tasks: dict[str, list[Score]] = {}
    for one in found:
        tasks.setdefault(one.task, []).append(one)
    return {f"{_UNSAFE.sub('-', task)}.json": _record(source, task, of_task) for task, of_task in tasks.items()}


def _record(source: Source, task: str, of_task: Sequence[Score]) -> Json:
    measured = of_task[0].measured
    moment = str(int(dt.datetime.fromisoformat(measured).timestamp()))
    model = _model_id(source)
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{task}/{model}/{moment}",
        "evaluation_timestamp": measured,
        "retrieved_timestamp": moment,
        "source_metadata": {
            "source_name": "Evalpress",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
            "additional_details": {"parameter_set": source.summary.set},
        },
        "eval_library": {"name": of_task[0].library, "version": of_task[0].library_version},
        "model_info": _model_info(source, model),
        "evaluation_results": [_result(one) for one in of_task],
    }


def _model_id(source: Source) -> str:
    name = _UNSAFE.sub("-", source.summary.model).strip("-")
    return f"unknown/{name}"


def _model_info(source: Source, model: str) -> Json:
    versions = source.provenance["versions"]
    details = {"deployment_type": "self_deployed", "model_availability": "open_weights"}
    details |= {"device": str(source.device), "platform": source.summary.platform}
    details |= {name: str(versions[name]) for name in ("vllm_ascend", "torch", "torch_npu") if versions.get(name)}
    details["dtype"] = str(source.engine["dtype"])
    engine = {"name": "vllm", "version": str(versions["vllm"])}
    return {"name": source.summary.model, "id": model, "inference_engine": engine, "additional_details": details}


def _result(score: Score) -> Json:
    data: Json = {"dataset_name": score.name}
    data |= {"source_type": "hf_dataset", "hf_repo": score.dataset} if score.dataset else {"source_type": "other"}
    if score.dataset and score.n is not None:
        data["samples_number"] = score.n
    bounds = {"min_score": 0, "max_score": 1} if score.kind == "share" else {"min_score": None, "max_score": None}
    metric = {
        "evaluation_description": _metric_words(score),
        "metric_id": f"{score.task}.{score.metric}",
        "metric_name": score.metric,
        "metric_unit": "proportion" if score.kind == "share" else "own",
        "lower_is_better": not score.higher_is_better,
        "score_type": "continuous",
        **bounds,
    }
    result: Json = {
        "evaluation_name": score.name,
        "source_data": data,
        "evaluation_timestamp": score.measured,
        "metric_config": metric,
        "score_details": {"score": score.value, "uncertainty": _uncertainty(score)},
    }
    arguments: Json = {} if score.max_tokens is None else {"max_tokens": score.max_tokens}
    if score.library == "evalpress":
        arguments["temperature"] = 0.0
    if arguments:
        result["generation_config"] = {"generation_args": arguments}
    return result


def _uncertainty(score: Score) -> Json:
    found: Json = {}
    if score.stderr is not None:
        found["standard_error"] = {"value": score.stderr, "method": "analytic"}
    if score.interval is not None:
        low, high = score.interval
        found["confidence_interval"] = {
            "lower": low, "upper": high, "confidence_level": 0.95, "method": score.interval_method,
        }  # fmt: skip
    if score.n is not None:
        found["num_samples"] = score.n
    return found


def vllm_ascend(source: Source, found: Sequence[Score]) -> dict[str, str]:
    """File name -> content of the accuracy file; none where no standard task was run."""
    rows = [one for one in found if one.library != "evalpress"]
    quality = source.quality
    if not rows or quality is None or quality.data.standard_tasks is None:
        return {}
    engine, model = source.engine, source.setup.params["model"]
    serve: Json = {
        "tensor_parallel_size": engine["tensor_parallel_size"],
        "dtype": engine["dtype"],
        "max_model_len": engine["max_model_len"],
        "gpu_memory_utilization": engine.get("gpu_memory_utilization"),
        "trust_remote_code": bool(model.get("trust_remote_code")),
        "enforce_eager": True if quality.data.standard_tasks.mode == "eager" else None,
    }
    tasks: dict[str, Json] = {}
    for one in rows:
        task = tasks.setdefault(one.task, {"name": one.task, "metrics": []})
        task["metrics"].append({"name": one.metric, "value": round(one.value, 4)})
    shots = {one.n_shot for one in rows}
    config = {
        "model_name": model["path"],
        "model_type": "vllm",
        "hardware": _hardware(source),
        "serve": {key: value for key, value in serve.items() if value is not None},
        "tasks": list(tasks.values()),
        "num_fewshot": shots.pop() if len(shots) == 1 else None,
        "limit": quality.params["quality"]["lm_eval"].get("limit"),
        "apply_chat_template": not quality.data.base_model,
    }
    name = _UNSAFE.sub("-", source.summary.model).strip("-")
    return {f"{name}.yaml": as_yaml({key: value for key, value in config.items() if value is not None})}


def _hardware(source: Source) -> str:
    """The product series under vLLM-Ascend's name for it; the device's own name where it is none of them."""
    name = source.device or "unknown"
    if source.summary.platform != "ascend":
        return f"{name} (no Ascend device)"
    series = (("910B", "Atlas A2 Series"), ("910_93", "Atlas A3 Series"), ("310P", "Atlas 300I DUO"))
    return next((words for part, words in series if part.lower() in name.lower()), name)
