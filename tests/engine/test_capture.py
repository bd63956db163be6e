"""The capture keeps every line of this process and its children, passes everything on, and leaks nothing."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, subprocess, sys
from evalpress.engine.capture import OutputCapture
with OutputCapture() as capture:
    print("from python", flush=True)
    os.write(2, b"from the descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"])
print("after")
texts = [text for _, text in capture.lines]
stamps = [stamp for stamp, _ in capture.lines]
assert sorted(texts) == ["from a child", "from python", "from the descriptor"], texts
assert stamps == sorted(stamps) and len(stamps) == 3
"""

CHILDREN_THAT_GO_ON = """
import os, subprocess, time
from evalpress.engine.capture import OutputCapture
def descriptors():
    return len(os.listdir("/proc/self/fd"))
before = descriptors()
children = []
for turn in range(8):
    with OutputCapture() as capture:
        command = "i=0; while [ $i -lt 400 ]; do echo child $i; i=$((i+1)); done; sleep 0.2; echo late"
        children.append(subprocess.Popen(["sh", "-c", command]))
        for i in range(200):
            os.write(1, b"out %d\\n" % i)
            os.write(2, b"err %d\\n" % i)
        os.write(1, b"no newline")
    lines = capture.lines
    kept = len(lines)
    for name in ("out", "err"):
        assert [text for _, text in lines if text.startswith(name)] == [f"{name} {i}" for i in range(200)]
    assert [stamp for stamp, _ in lines] == sorted(stamp for stamp, _ in lines)
    assert any(text.startswith("no newline") for _, text in lines), lines[-3:]
    assert len(capture.lines) == kept
for child in children:
    child.wait()
for _ in range(100):
    if descriptors() == before:
        break
    time.sleep(0.05)
assert descriptors() == before, (before, descriptors())
"""


def test_lines_are_kept_and_passed_on():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split("\n")) == ["", "after", "from a child", "from python"]
    assert done.stderr == "from the descriptor\n"


def test_children_that_go_on_printing_change_no_kept_line_and_leave_no_descriptor():
    done = subprocess.run([sys.executable, "-c", CHILDREN_THAT_GO_ON], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("late") == 8
    assert done.stdout.count("child 399") == 8
    assert "\0" not in done.stdout + done.stderr


def test_output_that_cannot_be_written_does_not_stop_the_process():
    script = SCRIPT.replace('print("after")', "").replace(
        "with OutputCapture", 'os.dup2(os.open("/dev/full", os.O_WRONLY), 1)\nwith OutputCapture'
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
