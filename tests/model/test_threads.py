"""The reference runs on all usable cores whatever the image sets, and puts the number back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import torch
from evalpress.core.paths import resolve
from evalpress.model import forward
assert torch.get_num_threads() == 1
with forward.loaded(resolve("models/demo"), "float32") as run:
    print(torch.get_num_threads(), run.described["threads"])
assert torch.get_num_threads() == 1
"""


@pytest.mark.slow
def test_the_reference_uses_every_core_although_the_image_says_one():
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=False)
    cores = len(os.sched_getaffinity(0))
    assert done.stdout.split() == [str(cores), str(cores)], done.stderr[-500:]
