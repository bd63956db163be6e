"""An emulated device called `npu` (emulated: CPU arithmetic): no NPU, no torch_npu.

Importing this module renames torch's PrivateUse1 backend to `npu` and registers a backend in pure Python, through a
private and experimental function of torch (2.13). A tensor on it wraps a CPU tensor; every operation runs on the CPU.
It behaves as torch_npu does in what the suite depends on: the device is initialised at the first operation, and what a
process that has initialised it forks cannot use it. It finds operations on the wrong device, missing `empty_cache`
and forks. It says nothing about kernels, speed, memory or numerics of a real NPU.

Registration is for the whole process: import it in a separate process.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "Ascend910B3 (emulated: CPU arithmetic)"
FORKED = (
    "Cannot re-initialize NPU in forked subprocess. To use NPU with multiprocessing, you must use the 'spawn' start "
    "method"
)


class EmulatedNpu:
    """The part of `torch.npu` that the suite and torch itself use."""

    def __init__(self) -> None:
        self.owner: int | None = None
        self.forked = False
        self.emptied = 0

    def use(self) -> None:
        """Initialise lazily, as the first operation does; refuse in a forked process."""
        if self.forked:
            raise RuntimeError(FORKED)
        self.owner = self.owner or os.getpid()

    def after_fork(self) -> None:
        """What a child process inherits: an initialised device is unusable there."""
        self.forked = self.owner is not None
        self.owner = None

    def is_initialized(self) -> bool:
        return self.owner is not None

    def _is_in_bad_fork(self) -> bool:
        return self.forked

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def set_device(self, device: Any) -> None:
        self.use()

    def synchronize(self, device: Any = None) -> None:
        self.use()

    def empty_cache(self) -> None:
        self.emptied += 1

    def get_device_name(self, index: int = 0) -> str:
        self.use()
        return NAME

    def mem_get_info(self, index: int = 0) -> tuple[int, int]:
        self.use()
        return 2**30, 2**31

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


npu = EmulatedNpu()
_setup_privateuseone_for_python_backend("npu", npu)
os.register_at_fork(after_in_child=npu.after_fork)


class NpuTensor(torch.Tensor):
    """A tensor whose device is `npu:0` and whose numbers are in `on_cpu`."""

    on_cpu: torch.Tensor

    @staticmethod
    def __new__(cls, on_cpu: torch.Tensor) -> NpuTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            on_cpu.size(),
            strides=on_cpu.stride(),
            storage_offset=on_cpu.storage_offset(),
            dtype=on_cpu.dtype,
            device=torch.device("npu", 0),
            requires_grad=False,
        )
        made.on_cpu = on_cpu
        return made

    def __repr__(self, **_: Any) -> str:
        return f"npu({self.on_cpu!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        npu.use()
        kwargs = dict(kwargs or {})
        leaves_device = any(isinstance(v, torch.device) and v.type == "cpu" for v in (*args, *kwargs.values()))
        if func in (torch.ops.aten.copy_.default, torch.ops.aten._copy_from.default) and not leaves_device:
            return _copy(args[0], args[1])
        plain_args, plain_kwargs = tree_map(_plain, (args, kwargs))
        found = func(*plain_args, **plain_kwargs)
        if leaves_device:
            return found
        if func._schema.is_mutable and args and isinstance(args[0], NpuTensor):
            return args[0]
        return tree_map(_on_npu, found)


def _plain(value: Any) -> Any:
    if isinstance(value, NpuTensor):
        return value.on_cpu
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == "npu" else value


def _on_npu(value: Any) -> Any:
    return NpuTensor(value) if isinstance(value, torch.Tensor) and not isinstance(value, NpuTensor) else value


def _copy(target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    _plain(target).copy_(_plain(source))
    return target


_LIBRARY = torch.library.Library("aten", "IMPL")


def _empty(
    size: Any,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: Any = None,
    memory_format: Any = None,
) -> NpuTensor:
    npu.use()
    return NpuTensor(torch.empty(size, dtype=dtype or torch.get_default_dtype()))


def _empty_strided(
    size: Any, stride: Any, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None
) -> NpuTensor:
    npu.use()
    return NpuTensor(torch.empty_strided(size, stride, dtype=dtype or torch.get_default_dtype()))


def _made_by(operation: Any) -> Any:
    def make(*args: Any, **kwargs: Any) -> NpuTensor:
        npu.use()
        kwargs.pop("pin_memory", None)
        return NpuTensor(operation(*args, **kwargs | {"device": "cpu"}))

    return make


_LIBRARY.impl("empty.memory_format", _empty, "PrivateUse1")
_LIBRARY.impl("empty_strided", _empty_strided, "PrivateUse1")
_LIBRARY.impl("_copy_from", lambda source, target, non_blocking=False: _copy(target, source), "PrivateUse1")
for _name in (
    *("arange", "arange.start", "arange.start_step", "full", "zeros", "ones", "eye", "linspace", "scalar_tensor"),
    *("randn", "rand"),
):
    _base, _, _overload = _name.partition(".")
    _operation = getattr(getattr(torch.ops.aten, _base), _overload or "default")
    _LIBRARY.impl(_name, _made_by(_operation), "PrivateUse1")
