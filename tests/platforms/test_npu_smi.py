"""npu-smi's tables as public issue reports show them (sources: each case)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evalpress import cli
from evalpress.platforms import npu_smi

TABLES = Path(__file__).resolve().parents[1] / "data" / "ascend" / "npu-smi"
EXPECTED = {  # index, name, total MiB, free MiB
    "310p3_duo_25.2.0.txt": ("25.2.0", [(0, "310P3", 44280, 42751), (1, "310P3", 43693, 42281)]),  # nvtop 421
    "910b2_23.0.3_container_npu2.txt": ("23.0.3", [(2, "910B2", 65536, 62201)]),  # vllm-ascend 1363
    "910b2c_24.1.rc2.2_full.txt": ("24.1.rc2.2", [(0, "910B2C", 65536, 47)]),  # vllm-ascend 4505
    "910b4-1_25.2.0_host.txt": ("25.2.0", [(0, "910B4-1", 65536, 62142), (1, "910B4-1", 65536, 37989)]),  # 3657
    "910b4_24.1.1_32gb.txt": ("24.1.1", [(0, "910B4", 32768, 5930), (1, "910B4", 32768, 3412)]),  # 1Panel 9472
    "a3_25.5.0_two_chips.txt": (  # vllm-omni 3597, vllm-ascend 2082
        "25.5.0",
        [(i, "Ascend910", 65536, free) for i, free in enumerate((9384, 9766, 62122, 62343))],
    ),
    "a3_26.0.rc2_wide.txt": ("26.0.rc2", [(0, "Ascend910", 65536, 62117), (1, "Ascend910", 65536, 62662)]),  # 12980
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_table_gives_its_devices(name, capsys):
    version, devices = EXPECTED[name]
    assert cli.main(["npu-smi", str(TABLES / name), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == version
    rows = [(d["index"], d["name"], d["total_mib"], d["total_mib"] - d["used_mib"]) for d in found["devices"]]
    assert rows == devices


@pytest.mark.parametrize(
    ("name", "code"), [("container_8005_not_mapped.txt", "-8005"), ("container_8020_device_used.txt", "-8020")]
)
def test_a_refusal_is_quoted_with_its_remedy(name, code, capsys):
    assert cli.main(["npu-smi", str(TABLES / name), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["devices"]) == (None, [])
    assert found["refusal"].endswith(f"ret is {code}")
    assert "container" in found["remedy"]


def test_power_temperature_and_utilisation_are_read_where_the_table_has_them():
    first, second = npu_smi.parse((TABLES / "a3_25.5.0_two_chips.txt").read_text()).devices[:2]
    assert (first.power_w, first.temperature_c, first.utilisation_percent, first.health) == (172.1, 36.0, 0.0, "OK")
    assert (second.power_w, second.temperature_c) == (None, 36.0)


def test_something_else_is_refused(tmp_path, capsys):
    path = tmp_path / "x.txt"
    path.write_text("NVIDIA-SMI 550.54\n")
    assert cli.main(["npu-smi", str(path)]) == 2
    assert "found no table of npu-smi" in capsys.readouterr().err


WAYS = {
    "a quotation": lambda line: f"> {line}",
    "docker compose": lambda line: f"npu-1  | {line}",
    "a time": lambda line: f"2026-04-10T08:00:26Z {line}",
    "colours": lambda line: f"\x1b[32m{line}\x1b[0m",
    "an indent and blanks at the end": lambda line: f"    {line}   ",
    "line ends of another system": lambda line: f"{line}\r",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EXPECTED)
def test_what_other_programs_put_around_a_table_changes_nothing(name, way):
    plain = (TABLES / name).read_text(encoding="utf-8")
    assert npu_smi.parse("\n".join(map(WAYS[way], plain.splitlines()))).devices == npu_smi.parse(plain).devices


def _cut(line, width):
    return [line[at : at + width] for at in range(0, len(line), width)] or [""]


def _words(line, width):
    """As `fold -s` breaks a line: after the last blank that fits, else at the width."""
    out = []
    while len(line) > width:
        blank = line.rfind(" ", 0, width) + 1
        out.append(line[: blank or width])
        line = line[blank or width :]
    return [*out, line]


BREAKS = {  # a line and a width -> the lines that are seen
    "a terminal": _cut,
    "a terminal, blanks at the ends lost": lambda line, width: [piece.strip() for piece in _cut(line, width)],
    "between words": _words,
    "between words, blanks at the ends lost": lambda line, width: [piece.strip() for piece in _words(line, width)],
    "a terminal, after a container's name": lambda line, width: _cut(f"npu-1  | {line}", width),
    "a container, with the time before each piece": lambda line, width: [
        f"2026-04-10T08:00:{n:02d}Z {piece}" for n, piece in enumerate(_cut(line, width))
    ],
    "a quotation of what a terminal broke": lambda line, width: [f"> {piece}" for piece in _cut(line, width)],
    "a terminal, with colours": lambda line, width: [f"\x1b[32m{piece}\x1b[0m" for piece in _cut(line, width)],
}


def _broken(text, way, width):
    return "\n".join(piece for line in text.splitlines() for piece in BREAKS[way](line, width)) + "\n"


@pytest.mark.parametrize("way", BREAKS)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_with_broken_lines_gives_the_same_devices(name, way):
    plain = (TABLES / name).read_text(encoding="utf-8")
    certain = 58 if "lost" in way else 32  # from half a line on, no piece has lost blanks at both of its ends
    for width in (*range(certain, 120), 132):
        found = npu_smi.parse(_broken(plain, way, width))
        assert found == npu_smi.parse(plain), width


@pytest.mark.parametrize("way", [way for way in BREAKS if "lost" in way])
@pytest.mark.parametrize("name", EXPECTED)
def test_pieces_whose_place_is_unknown_never_give_other_figures(name, way):
    plain = (TABLES / name).read_text(encoding="utf-8")
    for width in range(25, 58):
        found = npu_smi.parse(_broken(plain, way, width))
        assert found.devices == npu_smi.parse(plain).devices or found.broken is not None, width


@pytest.mark.parametrize("name", ["container_8005_not_mapped.txt", "container_8020_device_used.txt"])
def test_a_refusal_that_a_terminal_broke_keeps_its_code(name):
    plain = (TABLES / name).read_text(encoding="utf-8")
    assert npu_smi.parse(_broken(plain, "a terminal", 40)) == npu_smi.parse(plain)


@pytest.mark.parametrize("width", [30, 60, 80, 95])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_that_a_pager_cut_off_is_refused_in_one_line(name, width, tmp_path, capsys):
    path = tmp_path / "table.txt"
    path.write_text("\n".join(line[:width] for line in (TABLES / name).read_text().splitlines()))
    assert cli.main(["npu-smi", str(path), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert f"{path}:7: found a row that is cut off or lacks its second line" in told.err


@pytest.mark.parametrize("lost", [10, 11])
def test_a_table_without_one_of_a_chips_two_rows_is_refused(lost, tmp_path, capsys):
    path = tmp_path / "table.txt"
    lines = (TABLES / "910b4-1_25.2.0_host.txt").read_text().splitlines()
    path.write_text("\n".join(lines[: lost - 1] + lines[lost:]))
    assert cli.main(["npu-smi", str(path)]) == 2
    assert "lacks its second line" in capsys.readouterr().err


def test_the_table_of_another_program_is_named_as_such(tmp_path, capsys):
    path = tmp_path / "table.txt"
    path.write_text("| NVIDIA-SMI 535.104.05 |\n|   0  NVIDIA A100  On  | 00000000:07:00.0 Off |          0 |\n")
    assert cli.main(["npu-smi", str(path)]) == 2
    assert "found no table of npu-smi" in capsys.readouterr().err
