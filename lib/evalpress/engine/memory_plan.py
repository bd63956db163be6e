"""What memory allows side by side on a CPU: engines in this process, servers, or one after the other.

Planned from weights × copies + KV cache + the process itself, against what the host and this process's control
groups leave. On an accelerator `gpu_memory_utilization` decides, and the set's own `engine.resident` is taken as it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import psutil

from evalpress import model
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest
from evalpress.core.units import GIB
from evalpress.model import BYTES
from evalpress.params.schema import Params
from evalpress.platforms import host

COPIES = 2
"""CPU kernels keep repacked copies of the weights beside the loaded ones."""
PROCESS_BYTES = int(1.5 * GIB)
"""A process that has imported vLLM and torch, on CPU: 1.2 GiB with vLLM 0.32, and room for one step's tensors."""
COMPILE_BYTES = int(1.5 * GIB)
"""Loading and compiling beside what stays: Inductor's processes, the checkpoint's pages."""
SERVER_BYTES = 3 * GIB
"""A server's processes on CPU without weights and KV cache: 2.4 GiB with vLLM 0.32."""
READER_BYTES = 2 * GIB
"""A process in which transformers runs the model, on CPU, without its weights: its libraries, one batch of logits."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sizes:
    """Bytes of weights and KV cache that one engine of a set holds."""

    weights: int
    kv_cache: int

    @property
    def engine(self) -> int:
        """Bytes of one engine in a process that has vLLM already."""
        return COPIES * self.weights + self.kv_cache

    @property
    def server(self) -> int:
        """Bytes of one server's processes."""
        return self.engine + SERVER_BYTES


def sizes(params: Params) -> Sizes | None:
    """What one engine of the set holds; None where that is not planned: on a device, or with unknown weights."""
    if params.platform.backend != "cpu":
        return None
    try:
        weights = model.facts(params).weight_bytes
    except (UserError, MeasurementError):
        return None
    if weights is None:
        return None
    kv_gib = params.engine.kv_cache_gib
    if kv_gib is None:
        total = host.memory_limit() or host.total_memory()
        return Sizes(weights, max(0, int((params.engine.gpu_memory_utilization or 0.92) * total) - 2 * weights))
    return Sizes(weights, int(kv_gib * GIB))


def budget_bytes() -> int:
    """What this process may hold in all: what is free and what it holds already."""
    return available_bytes() + int(psutil.Process().memory_info().rss)


def available_bytes() -> int:
    """Free bytes of the host or of this process's control groups, whichever is less."""
    return host.available_memory()


@dataclass(frozen=True)
class Decision:
    """Whether the engines of a set are loaded at the same time in this process, and why not."""

    together: bool
    why: str


_decided: dict[str, Decision] = {}


def decide(params: Params) -> Decision:
    """The decision for a set, made once per process: blocks that alternate need it to stay."""
    key = digest([params.model.model_dump(mode="json"), params.engine.model_dump(mode="json")])
    if key not in _decided:
        _decided[key] = _decide(params)
        if not _decided[key].together:
            _log.info("engines one after the other: %s", _decided[key].why)
    return _decided[key]


def _decide(params: Params) -> Decision:
    if params.engine.resident == "one":
        return Decision(False, "engine.resident is `one`")
    one = sizes(params)
    count = len(params.engine.modes)
    if one is None or count == 1:
        return Decision(True, "")
    need, budget = PROCESS_BYTES + COMPILE_BYTES + count * one.engine, budget_bytes()
    if need <= budget:
        return Decision(True, "")
    return Decision(False, f"{count} engines need about {need / GIB:.1f} GiB, {budget / GIB:.1f} GiB are there")


def engines_together(params: Params) -> bool:
    """Whether this process keeps the engines of all modes at once."""
    return decide(params).together


def pairing(params: Params) -> str:
    """How measured blocks of the modes are paired, in words for the report."""
    found = decide(params)
    if found.together:
        if len(params.engine.modes) > 2:
            return "alternating blocks, all engines resident"
        return "alternating blocks, both engines resident"
    why = "" if params.engine.resident == "one" else f" ({found.why})"
    return f"one engine after the other{why}: the pairing is weaker, drift of the machine is not cancelled"


def one_more(params: Params, held: int) -> bool:
    """Whether one more engine fits beside the `held` ones of this process."""
    one = sizes(params)
    if not engines_together(params):
        return held == 0
    return one is None or one.engine + COMPILE_BYTES <= available_bytes()


def fits_now(params: Params) -> bool:
    """Whether one more engine fits at all in what is free now; compiling may need more for a while."""
    one = sizes(params)
    return one is None or one.engine <= available_bytes()


def require_one(params: Params) -> None:
    """Refuse a set of which not even one engine fits.

    Raises:
        MeasurementError: with what it needs, what is there and what to change.
    """
    one = sizes(params)
    if one is None or params.engine.kv_cache_gib is None:  # then vLLM compares its own share with what is free
        return
    need, budget = PROCESS_BYTES + one.engine, budget_bytes()
    if need > budget:
        limit = host.memory_limit()
        bound = f"this process's control group allows {limit / GIB:.1f} GiB" if limit else "of the host's memory"
        raise MeasurementError(
            f"one engine of {params.model.shown} needs about {need / GIB:.1f} GiB (weights {one.weights / GIB:.1f} GiB "
            f"in {COPIES} copies; KV cache {one.kv_cache / GIB:.1f} GiB; vLLM {PROCESS_BYTES / GIB:.1f} GiB), "
            f"{budget / GIB:.1f} GiB are there ({bound}): lower engine.kv_cache_gib or give it more memory"
        )


def reader_bytes(params: Params, dtype: str) -> int:
    """Bytes of a process in which transformers runs the set's model in a dtype; 0 where that is not planned."""
    one = sizes(params)
    return 0 if one is None else one.weights // BYTES[params.engine.dtype] * BYTES[dtype] + READER_BYTES


def servers_fit(params: Params, count: int, beside: int = 0) -> bool:
    """Whether `count` servers of the set fit in what is free now, with `beside` bytes left for other work."""
    one = sizes(params)
    return one is not None and count * one.server + beside < available_bytes()


_servers_decided: dict[str, bool] = {}


def servers_together(params: Params) -> bool:
    """Whether the servers of all modes may be loaded at the same time; decided once per process, as for engines.

    This process's engines need not stay beside them: they are released where memory is short.
    """
    key = digest([params.model.model_dump(mode="json"), params.engine.model_dump(mode="json"), params.serving.modes])
    if key not in _servers_decided:
        one, count = sizes(params), len(params.serving.modes)
        fits = one is None or count == 1 or PROCESS_BYTES + count * one.server <= budget_bytes()
        _servers_decided[key] = fits and engines_together(params)
    return _servers_decided[key]


def require_server(params: Params) -> None:
    """Refuse to start a server that does not fit in what is free now.

    Raises:
        MeasurementError: with what it needs, what is there and what to change.
    """
    one, free = sizes(params), available_bytes()
    if one is not None and params.engine.kv_cache_gib is not None and one.server > free:
        raise MeasurementError(
            f"a server of {params.model.shown} needs about {one.server / GIB:.1f} GiB (weights "
            f"{one.weights / GIB:.1f} GiB in {COPIES} copies; KV cache {one.kv_cache / GIB:.1f} GiB; its processes "
            f"{SERVER_BYTES / GIB:.1f} GiB), {free / GIB:.1f} GiB are free: lower engine.kv_cache_gib or give it more"
        )
