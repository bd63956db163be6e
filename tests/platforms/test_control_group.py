"""Limits of the process's own control groups: both versions, nested, in a container or seen from outside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from evalpress.platforms import control_group, host

GIB = 2**30
V2 = "41 31 0:38 {root} {mount} rw,relatime - cgroup2 cgroup2 rw\n"
V1 = "35 31 0:32 {root} {mount} rw,relatime - cgroup cgroup rw,{controller}\n"


def tree(tmp_path: Path, groups: str, mounts: str, files: dict[str, object]) -> control_group.Limits:
    """The limits that a process with these files in its /proc folder and these control files sees."""
    process = tmp_path / "proc"
    process.mkdir()
    (process / "cgroup").write_text(groups)
    (process / "mountinfo").write_text("23 1 8:1 / / rw - ext4 /dev/sda rw\n" + mounts)
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return control_group.limits(process, tmp_path)


def test_the_tightest_of_the_nested_groups_counts_in_version_2(tmp_path):
    found = tree(
        tmp_path,
        "0::/pod/run\n",
        V2.format(root="/", mount="/cg"),
        {
            "cg/pod/memory.max": 6 * GIB,
            "cg/pod/memory.current": 4 * GIB,
            "cg/pod/memory.stat": f"anon {GIB}\ninactive_file {GIB}\nactive_file {GIB // 2}",
            "cg/pod/run/memory.max": "max",
            "cg/pod/run/memory.current": 4 * GIB,
            "cg/pod/cpu.max": "max 100000",
            "cg/pod/run/cpu.max": "150000 100000",
        },
    )
    assert found == control_group.Limits(6 * GIB, 2 * GIB + GIB + GIB // 2, 1.5)


def test_version_1_has_one_hierarchy_per_controller(tmp_path):
    found = tree(
        tmp_path,
        "4:memory:/process/a\n2:cpu,cpuacct:/process\n0::/\n",
        V1.format(root="/", mount="/cg/memory", controller="memory")
        + V1.format(root="/", mount="/cg/cpu", controller="cpu,cpuacct"),
        {
            "cg/memory/memory.limit_in_bytes": 9223372036854771712,
            "cg/memory/process/memory.limit_in_bytes": 8 * GIB,
            "cg/memory/process/memory.usage_in_bytes": GIB,
            "cg/memory/process/a/memory.limit_in_bytes": 6 * GIB,
            "cg/memory/process/a/memory.usage_in_bytes": GIB,
            "cg/memory/process/a/memory.stat": f"cache 7\ninactive_file 1\ntotal_inactive_file {GIB // 2}",
            "cg/cpu/process/cpu.cfs_quota_us": 100000,
            "cg/cpu/process/cpu.cfs_period_us": 100000,
            "cg/cpu/cpu.cfs_quota_us": -1,
            "cg/cpu/cpu.cfs_period_us": 100000,
        },
    )
    assert found == control_group.Limits(6 * GIB, 5 * GIB + GIB // 2, 1.0)


@pytest.mark.parametrize(
    ("own", "root", "where"),
    [("/docker/abc", "/docker/abc", "cg"), ("/docker/abc/in", "/docker/abc", "cg/in"), ("/../other", "/", "cg")],
)
def test_a_container_sees_a_part_of_the_hierarchy(tmp_path, own, root, where):
    found = tree(tmp_path, f"0::{own}\n", V2.format(root=root, mount="/cg"), {f"{where}/memory.max": GIB})
    assert found.memory_bytes == GIB


def test_a_mount_point_with_a_blank_and_a_soft_limit(tmp_path):
    found = tree(tmp_path, "0::/\n", V2.format(root="/", mount="/c\\040g"), {"c g/memory.high": GIB})
    assert found == control_group.Limits(GIB, GIB, None)


def test_no_control_groups_no_limits(tmp_path):
    assert tree(tmp_path, "", "", {}) == control_group.Limits(None, None, None)
    assert control_group.limits(tmp_path / "nothing", tmp_path) == control_group.Limits(None, None, None)


def test_the_host_reports_the_groups_limits(monkeypatch):
    monkeypatch.setattr(control_group, "limits", lambda: control_group.Limits(GIB, GIB // 4, 1.9))
    assert host.memory_limit() == GIB
    assert host.available_memory() == GIB // 4
    assert host.usable_cores() == 1
    assert host.describe().ram_limit_gib == 1.0
    monkeypatch.setattr(control_group, "limits", lambda: control_group.Limits(2**60, None, 0.25))
    assert host.memory_limit() is None
    assert host.usable_cores() == 1
