"""The tap keeps every line of this process and its children, and passes everything on."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, subprocess, sys
from evalpress.engine.tap import LineTap
with LineTap() as tap:
    print("from python", flush=True)
    os.write(2, b"from the descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"])
print("after")
texts = [text for _, text in tap.lines]
stamps = [stamp for stamp, _ in tap.lines]
assert sorted(texts) == ["from a child", "from python", "from the descriptor"], texts
assert stamps == sorted(stamps) and len(stamps) == 3
"""


def test_lines_are_kept_and_passed_on():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split("\n")) == ["", "after", "from a child", "from python"]
    assert done.stderr == "from the descriptor\n"
