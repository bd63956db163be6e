"""`python -m evalpress.launch <folder of vllm_ascend> <version>`: the content of `vllm_ascend.json` for a release."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from evalpress.launch.variables import scan

print(json.dumps({"version": sys.argv[2], "how": "the wheel on PyPI"} | scan(Path(sys.argv[1])), indent=1))
