"""A disk that is slow at one moment, for `benchmarks/faults.py`; Python imports it where this folder is on PYTHONPATH.

FAULT_AT=results: renaming a section's new results into their place takes until the file FAULT_MARK is gone, at most
60 s. FAULT_AT=rendering: so does opening the first executed notebook while the report is merged. The library is not
changed.
"""

import os
import sys
import time
from pathlib import Path

_MARK = Path(os.environ.get("FAULT_MARK", ""))
_AT = os.environ.get("FAULT_AT", "")
_LONGEST_S = 60.0


def _wait() -> None:
    _MARK.write_text(str(os.getpid()), encoding="utf-8")
    end = time.monotonic() + _LONGEST_S
    while _MARK.exists() and time.monotonic() < end:
        time.sleep(0.02)


def _merging() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") == "evalpress.report.merge":
            return True
        frame = frame.f_back
    return False


def _hook(event: str, arguments: tuple) -> None:
    global _AT
    if _AT == "results" and event == "os.rename" and "ipykernel" in sys.modules:  # not where old results come back
        target = str(arguments[1])
        if target.endswith(("results/benchmark.json", "results/serving.json")):
            _AT = ""
            _wait()
    elif _AT == "rendering" and event == "open" and str(arguments[0]).endswith(".ipynb") and _merging():
        _AT = ""
        _wait()


if _AT:
    sys.addaudithook(_hook)
