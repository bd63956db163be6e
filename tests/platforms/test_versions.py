"""Matched version sets: judged as packaging judges, read from real distributions, and the card's own."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from evalpress.platforms import versions
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

# Recorded: METADATA of the wheel vllm_ascend-0.18.0rc1 (cp311), and vLLM 0.18.0's common requirements.
REQUIRES = {
    "vllm": ["transformers<5,>=4.56.0", "numpy", "numba==0.61.2"],
    "vllm-ascend": [
        *("numpy<2.0.0", "torch==2.9.0", "torchvision==0.24.0", "torch-npu==2.9.0"),
        *("transformers>=4.57.4", "triton-ascend==3.2.0", "fastapi<0.124.0"),
    ],
}
CARDS_RELEASE: dict[str, str | None] = {
    **{"python": "3.11.9", "vllm": "0.18.0+empty", "vllm_distribution": "vllm", "vllm_ascend": "0.18.0rc1"},
    **{"torch": "2.9.0", "torch_npu": "2.9.0", "triton_ascend": "3.2.0", "transformers": "4.57.6"},
    **{"numpy": "1.26.4", "cann": "8.5.1"},
}

NUMBERS = st.integers(0, 30)
VERSIONS = st.builds("{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS)


def _status(installed: dict[str, str | None], backend: str = "ascend") -> dict[str, str]:
    rows = versions.check(installed, backend, lambda name: REQUIRES.get(name, ()))
    return {row["component"]: row["status"] for row in rows}


def test_the_cards_release_is_a_matched_set() -> None:
    assert _status(CARDS_RELEASE) == dict.fromkeys(versions._JUDGED, "ok")


def test_the_cards_torch_is_not_what_ran() -> None:
    found = _status({**CARDS_RELEASE, "torch": "2.5.1"})
    assert found["torch"] == "fail"
    assert [component for component, status in found.items() if status != "ok"] == ["torch"]


@pytest.mark.parametrize(
    ("component", "found", "status"),
    [
        ("torch_npu", "2.9.0.post2", "warn"),
        ("torch_npu", "2.10.0", "fail"),
        ("vllm_ascend", "0.18.0", "ok"),
        ("cann", "8.5.0", "warn"),
        ("cann", "9.0.0", "fail"),
        ("cann", None, "fail"),
        ("cann", "8.2.RC1.alpha001", "warn"),
        ("vllm", "0.19.1", "fail"),
        ("numpy", "2.0.1", "fail"),
        ("transformers", "4.57.1", "warn"),
        ("transformers", "5.0.0", "fail"),
        ("python", "3.12.1", "fail"),
    ],
)
def test_a_point_release_warns_and_a_minor_version_fails(component: str, found: str | None, status: str) -> None:
    assert _status({**CARDS_RELEASE, component: found})[component] == status


def test_the_table_serves_where_distributions_state_nothing() -> None:
    rows = versions.check(CARDS_RELEASE | {"torch": "2.5.1"}, "ascend", lambda _: ())
    found = {row["component"]: row for row in rows}
    assert found["torch"]["expected"] == "==2.9.0"
    assert found["torch"]["status"] == "fail"
    assert "release table" in found["torch"]["source"]


def test_two_distributions_that_contradict_each_other_are_both_named() -> None:
    cuda_build = {"vllm": ["torch==2.10.0"], "vllm-ascend": ["torch==2.9.0"]}
    rows = versions.check(CARDS_RELEASE, "ascend", lambda name: cuda_build[name])
    (torch,) = [row for row in rows if row["component"] == "torch"]
    assert torch["status"] == "fail"
    assert torch["expected"] == "==2.10.0,==2.9.0"
    assert torch["source"] == "required by vllm; required by vllm-ascend"


def test_an_engine_that_the_table_does_not_know_is_a_warning() -> None:
    found = _status({**CARDS_RELEASE, "vllm_ascend": "0.40.0", "vllm": "0.40.0"})
    assert found["vllm_ascend"] == "warn"
    assert _status({"vllm": None}, "cpu")["vllm"] == "fail"


@given(VERSIONS, VERSIONS, st.sampled_from(["==", ">=", "<", "~="]))
def test_ok_is_exactly_what_packaging_accepts(found: str, bound: str, operator: str) -> None:
    specifier = f"{operator}{bound}"
    status, why = versions.judge(found, specifier)
    assert (status == "ok") == SpecifierSet(specifier).contains(found)
    if status == "warn":
        assert Version(found).release[:2] == Version(bound).release[:2]
    assert why


@given(st.text(max_size=12))
def test_any_installed_text_gets_a_verdict(text: str) -> None:
    assert versions.judge(text, "==2.9.0")[0] in ("ok", "warn", "fail")


def test_this_environment() -> None:
    found = versions.installed_versions()
    name = found["vllm_distribution"]
    assert name is not None, "vLLM is not installed in this environment"
    assert found["vllm"] == metadata.version(name)
    assert found["torch"] == metadata.version("torch")
    assert all(f"{key}_why" in found for key, value in found.items() if value is None)
    rows = versions.check(found, "cpu")
    assert {row["status"] for row in rows} == {"ok"}
    assert [row["source"] for row in rows if row["component"] == "torch"] == [f"required by {name}"]


def test_a_vllm_without_a_distribution_is_read_from_its_version_file(tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text("raise SystemExit('the engine was imported')\n")
    (tmp_path / "vllm" / "_version.py").write_text("__version__ = version = '0.18.0+empty'\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from evalpress.platforms import versions; "
        "versions.vllm_distribution = lambda: None; "
        "print(versions.installed_versions()['vllm'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.18.0+empty", "False"]
