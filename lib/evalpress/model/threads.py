"""Threads of torch on the CPU while the reference runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from evalpress.platforms import host


@contextmanager
def reference_threads() -> Iterator[int]:
    """As many threads as cores may be used, for the length of a `with` block; yields how many torch then has.

    Container images for accelerators set OMP_NUM_THREADS=1 for the engine, with which the reference on the CPU would
    run on one core only. The affinity mask and the control group's quota decide. Where vLLM's CPU engine lives in
    this process, it has bound the threads and keeps them as they are.
    """
    import torch

    before = torch.get_num_threads()
    wanted = host.usable_cores()
    if wanted > before:
        torch.set_num_threads(wanted)
    try:
        yield torch.get_num_threads()
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
