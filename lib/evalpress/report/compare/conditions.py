"""What the compared runs were made with: model, host, versions, settings; each beside the other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalpress.core.results import Document
from evalpress.display.tables import moment
from evalpress.report.compare.run import Run

_LONGEST = 120
"""Characters of a parameter's value that are shown."""
NOT_KNOWN, NOT_SET = "not known", "not set"


@dataclass(frozen=True)
class Condition:
    """One condition of every run, in the order of the runs; `topic` groups them."""

    topic: str
    name: str
    values: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether it is the same in all runs."""
        return len(set(self.values)) == 1


def conditions(runs: tuple[Run, ...]) -> tuple[Condition, ...]:
    """What the runs were made with: everything of model, host and versions, and the parameters that differ."""
    found = [dict(_of(run)) for run in runs]
    keys = dict.fromkeys(key for one in found for key in one)
    listed = [Condition(*key, tuple(one.get(key, _absent(key[0], one)) for one in found)) for key in keys]
    known = [one for one in listed if set(one.values) != {NOT_KNOWN}]
    return (*known, *_parameters(runs))


def _absent(topic: str, found: Mapping[tuple[str, str], str]) -> str:
    """What a run says by not having a condition: a variable that it did not record was not set."""
    recorded = any(other == topic for other, _ in found)
    return NOT_SET if topic == "environment" and recorded else NOT_KNOWN


def _of(run: Run) -> Iterator[tuple[tuple[str, str], str]]:
    params, provenance = run.first.params, run.provenance
    host, device = provenance.get("host") or {}, provenance.get("device") or {}
    peaks = run.peaks
    values: dict[tuple[str, str], Any] = {
        ("run", "set"): provenance.get("set"),
        ("run", "measured"): moment(run.measured),
        ("run", "Evalpress"): provenance.get("suite_version"),
        ("run", "commit"): ((provenance.get("git") or {}).get("commit") or "")[:12],
        ("model", "model"): model_name(run),
        ("model", "digest of its files"): (provenance.get("digests") or {}).get("model", "")[:12],
        ("model", "dtype"): params["engine"]["dtype"],
        ("host", "platform"): provenance.get("platform"),
        ("host", "device"): device.get("name"),
        ("host", "devices"): device.get("count"),
        ("host", "device memory, GiB"): device.get("memory_total_gib"),
        ("host", "driver"): device.get("driver_version"),
        ("host", "processor"): host.get("cpu_model"),
        ("host", "cores usable"): host.get("cpu_cores_usable"),
        ("host", "processor features"): ", ".join(host.get("cpu_features") or ()),
        ("host", "memory, GiB"): host.get("ram_total_gib"),
        ("host", "operating system"): host.get("os"),
        ("host", "kernel"): host.get("kernel"),
    }
    if peaks is not None:
        values |= {
            ("host", "memory bandwidth measured, GB/s"): f"{peaks.memory_bandwidth_gb_s:.3g}",
            ("host", "matrix rate measured, TFLOP/s"): f"{peaks.matmul_tflop_s:.3g} ({peaks.matrix_form})",
        }
    for name, version in (provenance.get("versions") or {}).items():
        if not name.endswith("_why"):
            values["versions", name] = version
    for name, value in (provenance.get("environment") or {}).items():
        values["environment", name] = value
    yield from ((key, NOT_KNOWN if value in (None, "") else str(value)) for key, value in values.items())


def model_name(run: Run) -> str:
    """The model's name, or its folder's."""
    model = run.first.params["model"]
    return str(model.get("name") or model["path"])


def _parameters(runs: tuple[Run, ...]) -> Iterator[Condition]:
    """The parameters of the sections that all runs have, where they differ."""
    found = [_flat_parameters(run.sections) for run in runs]
    for key in dict.fromkeys(key for one in found for key in one):
        values = tuple(one.get(key, NOT_SET) for one in found)
        if len(set(values)) > 1:
            yield Condition("parameters", key, values)


def _flat_parameters(sections: Mapping[str, Document[Any]]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for document in sections.values():
        flat |= dict(_flattened(document.params, ""))
    return flat


def _flattened(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flattened(inner, f"{name}.{key}" if name else str(key))
    else:
        text = str(value)
        yield name, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
