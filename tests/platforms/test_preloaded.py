"""Libraries that are preloaded into a process, as the host shows them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from evalpress.platforms import host

# Constructed after the same layout: a 310P has no HBM column, its memory is the pair in the middle.
SMI_310P = """\
| npu-smi 23.0.rc2                 Version: 23.0.rc2                                             |
| 0     310P3               | OK            | NA          35                0    / 0             |
| 0     0                   | 0000:01:00.0  | 0           1236 / 21527                           |
"""

# Recorded: a PyPTO trouble-shooting page; the older form without package_version is from an ATB guide.
DRIVER_INFO = "Version=25.3.rc1\nascendhal_version=7.35.23\naicpu_version=1.0\npackage_version=25.3.rc1\n"
DRIVER_INFO_OLD = "Version=24.1.rc1\nascendhal_version=7.35.19\naicpu_version=1.0\n"
# Constructed after vllm-project/vllm-ascend issue 834 (there 8.1.RC1.alpha001).
INSTALL_INFO = "package_name=Ascend-cann-toolkit\nversion=8.5.1\ninnerversion=V100R001C21B071\narch=aarch64\n"
# Recorded: the environment of a host that was upgraded in place (one bracket per installation).
VERSION_CFG = (
    "# version: 1.0\nruntime_running_version=[7.7.T20.0.B210:8.1.RC1]\n"
    "toolkit_running_version=[7.7.T20.0.B210:8.1.RC1]\n"
    "toolkit_installed_version=[7.7.T9.0.B057:8.1.T6][7.7.T20.0.B210:8.1.RC1]\n"
)

# Constructed after nvidia-smi's documented csv form; the second row is how MIG slices and old cards answer.
NVIDIA = "0, NVIDIA A100-SXM4-80GB, 550.54.15, 81920, 81153, 8.0\n1, Tesla V100, 550.54.15, [N/A], [N/A], 7.0\n"


def test_preloaded_libraries_are_those_really_mapped() -> None:
    maps = (
        "7f00-7f01 r-xp 00000000 08:01 123   /usr/lib/libtcmalloc_minimal.so.4\n"
        "7f02-7f03 r-xp 00000000 08:01 124   /site-packages/torch/lib/libgomp.so.1\n"
        "7f04-7f05 rw-p 00000000 00:00 0 \n"
    )
    env = {"LD_PRELOAD": "/usr/lib/libtcmalloc_minimal.so.4:/opt/lib/libiomp5.so"}
    assert [item.model_dump() for item in host.preloaded(maps, env)] == [
        {"library": "libtcmalloc_minimal.so.4", "source": "LD_PRELOAD", "active": True},
        {"library": "libiomp5.so", "source": "LD_PRELOAD", "active": False},
        {"library": "libgomp.so.1", "source": "loaded by a library", "active": True},
    ]


def test_a_preloaded_jemalloc_is_recognised() -> None:
    maps = "7f00-7f01 r-xp 00000000 08:01 123   /usr/lib/aarch64-linux-gnu/libjemalloc.so.2\n"
    (named,) = host.preloaded(maps, {"LD_PRELOAD": "/usr/lib/aarch64-linux-gnu/libjemalloc.so.2"})
    assert (named.library, named.source, named.active) == ("libjemalloc.so.2", "LD_PRELOAD", True)
    (loaded,) = host.preloaded(maps, {})
    assert (loaded.library, loaded.source) == ("libjemalloc.so.2", "loaded by a library")


def test_a_preloaded_link_is_seen_as_the_file_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "libtcmalloc.so.4.5.10").touch()
    (tmp_path / "libtcmalloc.so.4").symlink_to("libtcmalloc.so.4.5.10")
    maps = f"7f00-7f01 r-xp 00000000 fe:00 1 {tmp_path}/libtcmalloc.so.4.5.10\n"
    (item,) = host.preloaded(maps, {"LD_PRELOAD": f"{tmp_path}/libtcmalloc.so.4"})
    assert (item.library, item.source, item.active) == ("libtcmalloc.so.4", "LD_PRELOAD", True)


def test_a_library_preloaded_into_a_real_process_is_seen() -> None:
    library = Path(sys.prefix) / "lib" / "libiomp5.so"
    if not library.exists():
        pytest.skip("intel-openmp is not installed here")
    code = "from evalpress.platforms import host; print([i.model_dump() for i in host.preloaded()])"
    env = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "{'library': 'libiomp5.so', 'source': 'LD_PRELOAD', 'active': True}" in done.stdout
