"""Libraries that are preloaded into a process, as the host shows them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from evalpress.platforms import host


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
