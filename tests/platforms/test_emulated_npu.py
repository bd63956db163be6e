"""The paths that run on an NPU, on an emulated device (emulated: CPU arithmetic): placement, fork rule, empty_cache.

What this cannot show: kernels, speed, memory and numerics of a real NPU. The device is registered for a whole process,
so that one process of its own runs everything and prints what it found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from evalpress.core.paths import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import json, multiprocessing, os, sys
import emulated_npu
import numpy as np, torch
# Children find a module called torch_npu; transformers here must not, it would call its fused operations.
os.environ["PYTHONPATH"] += os.pathsep + sys.argv[1]
from evalpress.core.paths import ROOT
from evalpress.model import forward
from evalpress.platforms import child, rates
from evalpress.sections.alignment import batching, layers

npu, found = emulated_npu.npu, {}
found["asked in a child"] = child.devices("npu")
found["untouched by asking"] = not npu.is_initialized()
found["peaks in a child"] = rates.peaks("npu", 2**16, ["bfloat16"], [32]).copies
found["untouched by peaks"] = not npu.is_initialized()
found["peaks"] = rates.matrix_products("npu", "bfloat16", 32)
texts = {"a": [5, 9, 200, 31, 7, 12], "b": [3, 4, 5]}
every = {name: list(range(len(ids))) for name, ids in texts.items()}
def logits(device):
    with forward.loaded(ROOT / "models" / "demo", "bfloat16", device) as run:
        values = {name: part.values for name, part in forward.forward(run, texts, every)}
        states = layers.capture(run, texts)
        return values, batching.effects(run, texts), run.described["device"]
on_cpu, _, _ = logits("cpu")
before = npu.emptied
on_npu, batched, found["device"] = logits("npu")
found["emptied"] = npu.emptied - before
found["worst difference"] = max(float(np.abs(on_cpu[name] - on_npu[name]).max()) for name in texts)
found["batched"] = len(batched)

def forked(queue):
    try:
        torch.ones(2, device="npu")
        queue.put("used")
    except RuntimeError as error:
        queue.put(str(error))
fork = multiprocessing.get_context("fork")
queue = fork.SimpleQueue()
process = fork.Process(target=forked, args=(queue,))
process.start()
found["forked"] = queue.get()
process.join()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    plugin = tmp_path_factory.mktemp("plugin")
    (plugin / "torch_npu.py").write_text("import emulated_npu\n")
    support = str(Path(__file__).resolve().parents[1] / "support")
    path = os.pathsep.join([support, str(ROOT / "lib"), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(plugin)], env=env, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_asking_and_measuring_peaks_leave_the_device_alone_in_this_process(found):
    assert found["untouched by asking"]
    assert found["untouched by peaks"]
    assert all(rate > 0 for rate in found["peaks in a child"])


def test_peaks_run_on_the_device(found):
    assert all(rate > 0 for rate in found["peaks"])


def test_the_comparison_run_of_transformers_runs_on_the_device_and_computes_the_cpus_numbers(found):
    assert (found["device"], found["worst difference"]) == ("npu", 0.0)
    assert found["batched"] > 0


def test_memory_is_given_back_when_the_model_is_freed(found):
    assert found["emptied"] >= 1


def test_a_process_that_was_forked_after_the_device_was_used_is_refused(found):
    assert "Cannot re-initialize NPU in forked subprocess" in found["forked"]
