"""Matched version sets: judged as packaging judges, read from real distributions, and the card's own."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from evalpress import cli
from evalpress.platforms import version_sets, versions
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
    return {row.component: row.status for row in rows}


def test_the_cards_release_is_a_matched_set() -> None:
    assert _status(CARDS_RELEASE) == dict.fromkeys(versions._JUDGED, "ok")


def test_the_cards_torch_is_not_what_ran() -> None:
    found = _status({**CARDS_RELEASE, "torch": "2.5.1"})
    assert found["torch"] == "fail"
    assert [component for component, status in found.items() if status != "ok"] == ["torch"]


@pytest.mark.parametrize(
    ("component", "found", "status"),
    [
        ("torch_npu", "2.9.0.post2", "ok"),
        ("torch_npu", "2.9.0.post1+gitee7ba04", "ok"),
        ("torch_npu", "2.9.0.post7", "warn"),
        ("triton_ascend", "3.2.0.dev20260322", "ok"),
        ("torch_npu", "2.10.0", "fail"),
        ("vllm_ascend", "0.18.0", "ok"),
        ("cann", "8.5.0", "warn"),
        ("cann", "9.0.0", "ok"),
        ("cann", "9.1.0", "fail"),
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
    found = {row.component: row for row in rows}
    assert found["torch"].expected == "2.9.0"
    assert found["torch"].status == "fail"
    assert "release table" in found["torch"].source


def test_two_distributions_that_contradict_each_other_are_both_named() -> None:
    cuda_build = {"vllm": ["torch==2.10.0"], "vllm-ascend": ["torch==2.9.0"]}
    rows = versions.check(CARDS_RELEASE, "ascend", lambda name: cuda_build[name])
    (torch,) = [row for row in rows if row.component == "torch"]
    assert torch.status == "fail"
    assert torch.expected == "==2.10.0,==2.9.0"
    assert torch.source == "required by vllm; required by vllm-ascend"


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
    assert {row.status for row in rows} == {"ok"}
    assert [row.source for row in rows if row.component == "torch"] == [f"required by {name}"]


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


OFFICIAL_IMAGE = {  # vllm-ascend v0.18.0rc1, as its package list shows it
    **{"vllm": "0.18.0+empty", "vllm_ascend": "0.18.0rc1", "torch": "2.9.0+cpu", "cann": "8.5.1"},
    **{"torch_npu": "2.9.0.post1+gitee7ba04", "triton_ascend": "3.2.0.dev20260322"},
}
REBUILT = {"torch_npu": "2.9.0.post2", "triton_ascend": "3.2.1", "cann": "9.0.0"}


def judged(given: dict[str, str], backend: str = "ascend") -> dict[str, str]:
    rows = versions.check(given, backend, lambda _: (), complete=False)
    return {row.component: row.status for row in rows}


@pytest.mark.parametrize(
    ("given", "failing"),
    [
        (OFFICIAL_IMAGE, set()),
        (OFFICIAL_IMAGE | REBUILT, set()),
        (REBUILT, set()),
        ({"vllm_ascend": "0.23.0", "torch": "2.9.0", "torch_npu": "2.9.0"}, {"torch", "torch_npu"}),
        ({"vllm_ascend": "0.11.0", "vllm": "0.11.0", "torch_npu": "2.7.1.post1", "cann": "8.3.RC2"}, set()),
        ({"vllm_ascend": "0.11.0", "cann": "8.5.1"}, {"cann"}),
        ({"vllm": "0.18.0", "torch": "2.5.1", "torch_npu": "2.5.1"}, {"torch", "torch_npu"}),
    ],
)
def test_the_table_alone_judges_sets_without_a_device(given: dict[str, str], failing: set[str]) -> None:
    found = judged(given)
    assert set(found) == set(given)
    assert {component for component, status in found.items() if status == "fail"} == failing
    if not failing:
        assert set(found.values()) == {"ok"}


def test_what_the_images_bring_is_right_beside_the_plugins_own_pins() -> None:
    assert set(_status(CARDS_RELEASE | OFFICIAL_IMAGE).values()) == {"ok"}
    assert set(_status(CARDS_RELEASE | OFFICIAL_IMAGE | REBUILT).values()) == {"ok"}


@given(st.sampled_from(version_sets.rows("ascend")), st.integers(5, 9), st.sampled_from(["torch_npu", "cann", "torch"]))
def test_a_neighbours_row_never_fails_anything(row: version_sets.VersionSet, post: int, component: str) -> None:
    engine = f"{row.engine}.post{post}" if "post" not in row.engine else f"{row.engine}.dev{post}"
    _, exact = version_sets.nearest("ascend", engine)
    assert not exact
    assert judged({"vllm_ascend": engine, component: "99.0.0"})[component] == "warn"


@pytest.mark.parametrize("backend", ["ascend", "cuda", "cpu"])
def test_every_row_admits_what_it_lists_and_has_a_source_and_a_date(backend: str) -> None:
    for row in version_sets.rows(backend):
        assert row.source and datetime.date.fromisoformat(row.date) <= datetime.date.today(), row.engine
        for component, builds in row.allowed.items():
            for build in builds:
                if build[0] not in "<>=!~":
                    assert row.admits(component, build.replace("*", "1")), (row.engine, component, build)
    engines = [row.engine for row in version_sets.rows(backend)]
    assert len(engines) == len(set(engines)) > 20


def test_releases_from_0_7_3_to_0_26_have_a_row() -> None:
    minors = {Version(row.engine).release[:2] for row in version_sets.rows("ascend")}
    assert {(0, minor) for minor in range(7, 27)} <= minors | {(0, 21)}
    assert {"0.7.3", "0.9.1", "0.11.0", "0.13.0", "0.18.0", "0.23.0"} <= {r.engine for r in version_sets.rows("ascend")}


def test_a_wheel_proposes_a_row(tmp_path: Path, monkeypatch, capsys) -> None:
    wheel = tmp_path / "vllm_ascend-0.18.0rc1-cp311-cp311-linux_x86_64.whl"
    told = "Name: vllm_ascend\nVersion: 0.18.0rc1\nRequires-Python: >=3.10\n"
    told += "".join(f"Requires-Dist: {text}\n" for text in REQUIRES["vllm-ascend"])
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vllm_ascend-0.18.0rc1.dist-info/METADATA", told)
    monkeypatch.setattr(sys, "argv", ["versions", "--check-wheel", str(wheel)])
    assert versions.main() == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["torch_npu"], row["triton_ascend"], row["numpy"]) == (["2.9.0"], ["3.2.0"], ["<2.0.0"])
    wheel.write_bytes(b"no wheel")
    assert versions.main() == 2


WHOLE = b"Name: vllm\nVersion: 0.18.0\nRequires-Dist: torch==2.10.0\n"
BAD = {  # the METADATA of the wheel (None: the wheel has none), and what is said of it
    "none": (None, "it has no METADATA"),
    "empty": (b"", "found the wheel of none"),
    "of another": (b"Name: requests\nVersion: 2.0\n", "found the wheel of requests"),
    "no version": (b"Name: vllm\n", "Version: found None"),
    "no such version": (b"Name: vllm\nVersion: a b\n", "Version: found a b"),
    "a requirement": (WHOLE + b"Requires-Dist: torch ==\n", "found the requirement 'torch =='"),
    "a Python": (WHOLE + b"Requires-Python: new\n", "found the requirement 'python new'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wheel_with_bad_metadata_is_one_line_and_2(name, tmp_path, monkeypatch, capsys) -> None:
    wheel = tmp_path / "x.whl"
    content, told = BAD[name]
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vllm/__init__.py", "") if content is None else archive.writestr(
            "x.dist-info/METADATA", content
        )
    _is_refused(wheel, told, monkeypatch, capsys)


def test_a_damaged_wheel_is_one_line_and_2(tmp_path, monkeypatch, capsys) -> None:
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.dist-info/METADATA", WHOLE * 1000)
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:60] + b"\xff" * 10 + whole[70:])
    _is_refused(wheel, "found no usable wheel: ", monkeypatch, capsys)
    wheel.write_bytes(whole[: len(whole) // 2])
    _is_refused(wheel, "File is not a zip file", monkeypatch, capsys)
    _is_refused(tmp_path, "not a file", monkeypatch, capsys)
    _is_refused(tmp_path / "missing", "no such file", monkeypatch, capsys)
    os.mkfifo(tmp_path / "pipe")
    _is_refused(tmp_path / "pipe", "not a file", monkeypatch, capsys)


def _is_refused(wheel: Path, told: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["versions", "--check-wheel", str(wheel)])
    assert versions.main() == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and told in err and not err.endswith(": \n")


# Recorded: Requires-Dist of the wheels (cp311, aarch64) that PyPI has.
LATER = {
    "0.23.0": ("torch==2.10.0", "torch-npu==2.10.0.post4", "triton-ascend==3.2.2", "transformers==5.5.4", "numpy"),
    "0.26.0rc1": ("torch==2.10.0", "torch-npu==2.10.0.post4", "triton-ascend==3.2.2", "transformers==5.14.1", "numpy"),
}


@pytest.mark.parametrize("version", LATER)
def test_a_later_wheel_agrees_with_its_row(version, tmp_path, monkeypatch, capsys) -> None:
    wheel = tmp_path / f"vllm_ascend-{version}-cp311-cp311-manylinux_2_34_aarch64.whl"
    lines = ["Metadata-Version: 2.4", "Name: vllm-ascend", f"Version: {version}", "Requires-Python: >=3.10"]
    lines += [f"Requires-Dist: {requirement}" for requirement in LATER[version]]
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"vllm_ascend-{version}.dist-info/METADATA", "\n".join(lines) + "\n\n")
    monkeypatch.setattr(sys, "argv", ["versions", "--check-wheel", str(wheel)])
    assert versions.main() == 0
    out, err = capsys.readouterr()
    row = json.loads(out)
    assert err == "" and (row["backend"], row["engine"], row["torch_npu"]) == ("ascend", version, ["2.10.0.post4"])


def test_the_verb_prints_one_json_document_and_ends_in_1_for_a_failure(capsys) -> None:
    verb = ["check-versions", "--backend", "ascend", "vllm-ascend=0.23.0"]
    assert cli.main([*verb, "torch==2.10.0", "--json"]) == 0
    assert {"component", "found", "expected", "status", "source"} <= set(json.loads(capsys.readouterr().out)[0])
    assert cli.main([*verb, "torch=2.9.0"]) == 1 and "FAIL  torch" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["--backend", "tpu", "torch=1"], ["--backend", "cpu", "torch"], ["--backend", "cpu", "x=1"], ["--backend", "cpu"]],
)
def test_unusable_arguments_are_one_line_and_2(arguments: list[str], capsys) -> None:
    assert cli.main(["check-versions", *arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
