"""The host's facts: tool output as recorded in public reports, and this host itself against psutil."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from evalpress import platforms
from evalpress.core.errors import UserError
from evalpress.core.units import MIB
from evalpress.platforms import ascend, child, cuda, host
from evalpress.platforms.device import Device, visible
from hypothesis import given, settings
from hypothesis import strategies as st

# Recorded: vllm-project/vllm-ascend issue 834 (one chip per card, the device number is the card's).
SMI_910B = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.rc1                 Version: 24.1.rc1                                             |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 97.6        52                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3525 / 65536         |
+===========================+===============+====================================================+
"""

# Recorded: environment section of a vLLM-Ascend model test report (two chips per card, with Phy-ID).
SMI_910 = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.rc3.7               Version: 24.1.rc3.7                                           |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 2     Ascend910           | OK            | 176.3       36                0    / 0             |
| 0     4                   | 0000:95:00.0  | 0           0    / 0          3411 / 65536         |
+------------------------------------------------------------------------------------------------+
| 2     Ascend910           | OK            | -           36                0    / 0             |
| 1     5                   | 0000:97:00.0  | 0           0    / 0          51166/ 65536         |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 2       1                 | 1234          | python                   | 48000                   |
+===========================+===============+====================================================+
"""

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


def test_npu_smi_with_one_chip_per_card() -> None:
    assert ascend.parse_devices(SMI_910B, "24.1") == (Device(0, "910B3", 65536 * MIB, (65536 - 3525) * MIB, "24.1"),)


def test_npu_smi_with_two_chips_per_card_counts_chips_and_ignores_processes() -> None:
    found = ascend.parse_devices(SMI_910)
    assert [(d.index, d.name) for d in found] == [(4, "Ascend910"), (5, "Ascend910")]
    assert [d.memory_free for d in found] == [(65536 - 3411) * MIB, (65536 - 51166) * MIB]


def test_npu_smi_without_hbm() -> None:
    (found,) = ascend.parse_devices(SMI_310P)
    assert (found.name, found.memory_total) == ("310P3", 21527 * MIB)
    assert platforms.dtypes(platforms.Platform("ascend", (found,))) == ("float16",)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_no_device_rather_than_an_error(text: str) -> None:
    assert isinstance(ascend.parse_devices(text), tuple)
    assert cuda.parse(text.replace(",", ";")) == ()


def test_driver_and_cann_versions(tmp_path: Path) -> None:
    assert ascend.parse_driver(DRIVER_INFO) == "25.3.rc1"
    assert ascend.parse_driver(DRIVER_INFO_OLD) == "24.1.rc1"
    assert ascend.driver_version(SMI_910) == "24.1.rc3.7"
    assert ascend.parse_cann(VERSION_CFG) == "8.1.RC1"
    (tmp_path / "version.cfg").write_text(VERSION_CFG)
    assert ascend.cann_version([tmp_path / "absent", tmp_path]) == "8.1.RC1"
    (tmp_path / "aarch64-linux").mkdir()
    (tmp_path / "aarch64-linux" / "ascend_toolkit_install.info").write_text(INSTALL_INFO)
    assert ascend.cann_version([tmp_path]) == "8.5.1"
    assert ascend.cann_version([tmp_path / "absent"]) is None


def test_nvidia_smi() -> None:
    first, second = cuda.parse(NVIDIA)
    assert first == Device(0, "NVIDIA A100-SXM4-80GB", 81920 * MIB, 81153 * MIB, "550.54.15", 8.0)
    assert second.memory_total is None
    assert second.row().memory_total_gib_why


@pytest.mark.parametrize(("capability", "expected"), [(9.0, "bfloat16"), (7.0, "float16"), (5.2, "float32")])
def test_dtypes_follow_compute_capability(capability: float, expected: str) -> None:
    gpu = platforms.Platform("cuda", (Device(0, "GPU", capability=capability),))
    assert platforms.dtypes(gpu)[0] == expected


def test_a_dtype_that_the_device_lacks_is_one_line() -> None:
    old = platforms.Platform("cuda", (Device(0, "Tesla V100", capability=7.0),))
    platforms.require_dtype("float16", old, "params/x.yaml: engine.dtype")
    with pytest.raises(UserError, match=r"^params/x.yaml: engine.dtype: found bfloat16.*V100.*float16, float32$"):
        platforms.require_dtype("bfloat16", old, "params/x.yaml: engine.dtype")


def test_a_set_for_another_platform_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as error:
        platforms.require("ascend", "params/x.yaml: platform.backend")
    message = str(error.value)
    assert message.startswith("params/x.yaml: platform.backend: this set is for ascend, this host has no Ascend NPU")
    assert "npu-smi not found" in message
    assert "\n" not in message
    with pytest.raises(UserError, match="found 'tpu', allowed cpu, cuda, ascend"):
        platforms.require("tpu", "params/x.yaml: platform.backend")
    assert platforms.detect().backend == "cpu"


def _install(folder: Path, name: str, text: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\n")
    program.chmod(0o755)


def test_a_host_with_npus_is_detected_and_probed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _install(tmp_path, "npu-smi", SMI_910)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HCCL_DETERMINISTIC", "true")
    monkeypatch.setenv("VLLM_API_KEY", "a secret")
    assert platforms.detect().backend == "ascend"
    rows = platforms.probe("ascend").model_dump()
    assert (rows["device"]["name"], rows["device"]["count"]) == ("Ascend910", 2)
    assert rows["device"]["memory_total_gib"] == 64.0
    assert rows["device"]["driver_version"] == "24.1.rc3.7"
    assert rows["device"]["cann_version"] is None
    assert rows["device"]["cann_version_why"]
    assert rows["environment"] == {"HCCL_DETERMINISTIC": "true"}
    assert "a secret" not in str(rows)
    with pytest.raises(UserError, match="needs 3 × Ascend NPU, this host has 2"):
        platforms.require("ascend", "params/x.yaml: engine.tensor_parallel_size", devices=3)


def test_a_tool_that_fails_or_hangs_is_a_tool_without_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, body in (("npu-smi", "exit 3"), ("nvidia-smi", "sleep 30")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("evalpress.platforms.shell.TIMEOUT_S", 0.2)
    assert platforms.detect().backend == "cpu"


def test_variables_that_a_set_gives_are_shown_beside_those_that_matter() -> None:
    env = {"VLLM_USE_AOT_COMPILE": "0", "HF_HUB_OFFLINE": "1", "VLLM_API_KEY": "secret"}
    assert host.environment("cpu", ("VLLM_USE_AOT_COMPILE", "VLLM_NOT_SET"), env) == {
        "HF_HUB_OFFLINE": "1",
        "VLLM_USE_AOT_COMPILE": "0",
    }


def test_this_host() -> None:
    rows = platforms.probe("cpu").model_dump()
    found = rows["host"]
    assert found["cpu_cores"] == psutil.cpu_count()
    assert found["ram_total_gib"] == pytest.approx(psutil.virtual_memory().total / 2**30, abs=1e-3)
    assert found["architecture"] == os.uname().machine
    assert rows["device"]["name"] == found["cpu_model"]
    assert rows["device"]["dtypes"][0] == "bfloat16"
    for block in (rows["device"], found):
        assert all(f"{key}_why" in block for key, value in block.items() if value is None)


def test_the_package_imports_neither_torch_nor_vllm() -> None:
    code = "import sys; from evalpress import platforms; platforms.probe('cpu'); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'torch'" not in done.stdout
    assert "'vllm'" not in done.stdout


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """A program that this host does not have, first on PATH."""
    tool = folder / name
    tool.write_text(script)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_processor_without_a_model_name_is_named_by_its_maker(tmp_path: Path, monkeypatch) -> None:
    recorded = Path(__file__).resolve().parents[1] / "data" / "ascend" / "lscpu_hisilicon.sh"  # vllm-ascend 4807
    put_on_path(tmp_path, monkeypatch, "lscpu", recorded.read_text())
    assert host.cpu_model().startswith("HiSilicon")
    put_on_path(
        tmp_path, monkeypatch, "lscpu", "#!/bin/sh\necho 'Vendor ID: HiSilicon'\necho 'BIOS Model name: K920'\n"
    )
    assert host.cpu_model() == "K920"


def test_tools_run_in_english_whatever_the_users_locale(tmp_path: Path, monkeypatch) -> None:
    script = '#!/bin/sh\n[ "$LC_ALL" = C ] && echo "Model name: Tested" || echo "Modellname: Geprueft"\n'
    put_on_path(tmp_path, monkeypatch, "lscpu", script)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert host.cpu_model() == "Tested"


def test_the_message_of_npu_smi_is_in_the_refusal(tmp_path: Path, monkeypatch) -> None:
    table = Path(__file__).resolve().parents[1] / "data" / "ascend" / "npu-smi" / "container_8020_device_used.txt"
    put_on_path(tmp_path, monkeypatch, "npu-smi", f"#!/bin/sh\ncat '{table}'\nexit 255\n")
    with pytest.raises(UserError, match=r"ret is -8020; another container or process holds the device") as told:
        platforms.require("ascend", "params/x.yaml: platform.backend")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("variable", "indices"),
    [(None, [0, 1, 2]), ("2,0", [2, 0]), ("1", [1]), ("", []), ("-1", []), ("1,7,2", [1]), ("GPU-4f2", [0, 1, 2])],
)
def test_visible_devices_decide_which_card_is_printed(variable: str | None, indices: list[int]) -> None:
    devices = tuple(Device(index, f"card {index}") for index in range(3))
    assert [device.index for device in visible(devices, variable)] == indices


def test_devices_of_this_process_are_those_that_the_variable_names(tmp_path: Path, monkeypatch) -> None:
    table = Path(__file__).resolve().parents[1] / "data" / "ascend" / "npu-smi" / "910b4_24.1.1_32gb.txt"
    put_on_path(tmp_path, monkeypatch, "npu-smi", f"#!/bin/sh\ncat '{table}'\n")
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "1")
    device = platforms.probe("ascend").device
    assert (device.count, device.memory_free_gib) == (1, 3.332)


def test_torch_is_asked_about_devices_in_a_process_that_ends(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "torch_npu.py").write_text("")
    (tmp_path / "torch.py").write_text(
        "import os\nclass npu:\n  device_count = staticmethod(lambda: 1)\n"
        "  get_device_name = staticmethod(lambda i: f'Ascend910B3 of {os.getpid()}')\n"
        "  mem_get_info = staticmethod(lambda i: (3, 64))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (row,) = child.devices("npu")
    assert (row["free"], row["total"]) == (3, 64)
    assert row["name"] != f"Ascend910B3 of {os.getpid()}"
