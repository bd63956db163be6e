"""A file that is something else: every verb answers in one line, which names the file as it was given, with exit 2."""

from __future__ import annotations

import pytest
from evalpress import cli

CONTENT = {
    "empty": b"",
    "binary": b"\x00\xff\xfe\x01binary",
    "cut.json": b'{"a": [1, 2',
    "null.json": b"null",
    "list.json": b"[]",
    "object.json": b"{}",
    "lines": b"x\r\ny\r\n",
}
OF_A_FILE = ("judge", "audit", "reconcile", "facts", "parse-log", "npu-smi")
OF_A_SET = ("status", "render", "publish", "review", "card", "pdf", "clean")


def told(capsys, *args: str) -> str:
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(cli.main(list(args)))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("name", [*CONTENT, "folder", "absent"])
@pytest.mark.parametrize("verb", OF_A_FILE)
def test_a_file_of_another_kind(verb, name, tmp_path, capsys):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name in CONTENT:
        path.write_bytes(CONTENT[name])
    assert name in told(capsys, verb, str(path))


@pytest.mark.parametrize("given", ["/tmp", "../elsewhere", "a/b", ".hidden", "published"])
@pytest.mark.parametrize("verb", OF_A_SET)
def test_what_cannot_name_a_set_is_never_a_folder(verb, given, tmp_path, capsys):
    line = told(capsys, verb, "--set", given, "--reports-dir", str(tmp_path))
    assert f"set '{given}': not the name of a set: allowed" in line
