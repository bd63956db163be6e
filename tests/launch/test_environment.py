"""The environment of an engine: what the set decides, and what is preloaded beside what the caller preloads."""

from __future__ import annotations

from pathlib import Path

import pytest
from evalpress import params
from evalpress.cli import host_checks
from evalpress.launch import environment
from evalpress.launch.arguments import arguments


def test_a_preloaded_openmp_runtime_stays_alone(monkeypatch, tmp_path):
    for name in ("libtcmalloc_minimal.so.4", "libiomp5.so"):
        (tmp_path / name).touch()
    monkeypatch.setattr(environment, "_first", lambda names: tmp_path / names[0])
    demo = params.load("demo")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    both = environment.preload_env(demo)["LD_PRELOAD"]
    assert both == f"{tmp_path}/libtcmalloc_minimal.so.4:{tmp_path}/libiomp5.so"
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libgomp.so.1")
    assert environment.preload_env(demo)["LD_PRELOAD"] == f"/usr/lib/libgomp.so.1:{tmp_path}/libtcmalloc_minimal.so.4"


def test_the_set_decides_cache_size_and_process(monkeypatch):
    demo = params.load("demo")
    monkeypatch.setattr(environment, "_takes_bytes", lambda: False)
    found = environment.engine_env(demo)
    assert found["VLLM_CPU_KVCACHE_SPACE"] == "1"  # an eighth of a GiB, for a vLLM that takes whole ones only
    assert "kv_cache_memory_bytes" not in arguments(demo, "eager")
    monkeypatch.setattr(environment, "_takes_bytes", lambda: True)
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment.engine_env(demo)  # it would override the bytes
    assert arguments(demo, "eager")["kv_cache_memory_bytes"] == 2**27
    assert found["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert environment.server_env(demo)["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    two = demo.model_copy(
        update={"engine": demo.engine.model_copy(update={"tensor_parallel_size": 2, "env": {"A": "b"}})}
    )
    assert environment.engine_env(two)["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1"
    assert environment.engine_env(two)["A"] == "b"


def test_a_library_in_a_folder_with_a_blank_is_preloaded_through_a_link(monkeypatch, tmp_path):
    folder = tmp_path / "my project"
    folder.mkdir()
    (folder / "libtcmalloc.so.4").touch()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(environment, "_first", lambda names: folder / "libtcmalloc.so.4")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    named = environment.preload_env(params.load("demo"))["LD_PRELOAD"]
    for entry in named.split(":"):
        assert " " not in entry
        assert Path(entry).resolve() == (folder / "libtcmalloc.so.4").resolve()


def test_where_the_temporary_folder_has_a_blank_too_another_is_taken_or_the_library_is_left_out(monkeypatch, tmp_path):
    folder = tmp_path / "my project"
    folder.mkdir()
    (folder / "libtcmalloc.so.4").touch()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(environment, "_first", lambda names: folder / "libtcmalloc.so.4")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    monkeypatch.setattr(environment, "_TEMPORARY", (str(tmp_path / "none"), str(tmp_path)))
    named = environment.preload_env(params.load("demo"))["LD_PRELOAD"].split(":")
    assert all(Path(entry).parent.parent == tmp_path and Path(entry).is_file() for entry in named)
    monkeypatch.setattr(environment, "_TEMPORARY", (str(tmp_path / "none"),))
    assert environment.preload_env(params.load("demo")) == {}


# The lines of vLLM's v1/worker/cpu_worker.py.
REFUSES = """            if name not in ld_preload_list:
                raise RuntimeError(
                    f"{name} is not found in LD_PRELOAD. "
"""  # 0.18.0
WARNS = """            if name not in ld_preload_list:
                logger.warning(
                    "%s is not found in LD_PRELOAD. "
                    raise RuntimeError("something else")
            explicit_kv_cache_size = self.cache_config.kv_cache_memory_bytes
"""  # 0.32.0


@pytest.mark.parametrize(
    ("source", "needed", "takes_bytes"),
    [(REFUSES, True, False), (WARNS, False, True), ("", False, False), (None, False, True)],
)
def test_what_this_vllms_cpu_worker_demands_is_read_from_its_source(source, needed, takes_bytes, monkeypatch):
    monkeypatch.setattr(environment, "_cpu_worker", lambda: source)
    assert (environment.preload_is_needed(), environment._takes_bytes()) == (needed, takes_bytes)


@pytest.mark.parametrize(("needed", "status"), [(True, "fail"), (False, "warn")])
def test_doctor_fails_where_a_library_is_missing_without_which_this_vllm_does_not_start(needed, status, monkeypatch):
    monkeypatch.setattr(environment, "preload_is_needed", lambda: needed)
    monkeypatch.setattr(environment, "preload_libraries", lambda: {"tcmalloc": None})
    assert [check.status for check in host_checks._preloading()] == [status]
