"""Programs that try to be judged right without computing the answer.

Each is asked for a function `answer(n)` that returns n * n + 1, and does not compute it.
"""

from __future__ import annotations

FORGERIES = {
    "prints pass": "print('pass')\nprint('PASS')\nprint('{\"verdict\": \"pass\"}')",
    "leaves before the tests": "import sys\nsys.exit(0)\ndef answer(n):\n    return n",
    "leaves in the function": "import os\ndef answer(n):\n    os._exit(0)",
    "exits in the function": "def answer(n):\n    raise SystemExit(0)",
    "equal to everything": """
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def answer(n):
    return Anything()
""",
    "number equal to everything": """
class Anything(int):
    def __eq__(self, other): return True
    def __repr__(self): return "5"
def answer(n):
    return Anything(0)
""",
    "patches builtins": """
import builtins, math
builtins.all = builtins.any = lambda *a: True
builtins.len = lambda *a: 3
builtins.isinstance = lambda *a: True
math.isclose = lambda *a, **k: True
def answer(n):
    return 0
""",
    "patches the report": """
import json, sys
real = json.dumps
json.dumps = lambda value, *a, **k: real({"results": [{"value": True}] * 3, "verdict": "pass", "passed": 3})
def answer(n):
    return 0
""",
    "patches the harness": """
import sys
main = sys.modules["__main__"]
main.report = lambda spec: {"results": "pass"}
def answer(n):
    main.json.dumps = lambda *a, **k: '"pass"'
    return None
""",
    "forges the report": """
import os
def answer(n):
    for descriptor in range(1, 16):
        try:
            os.write(descriptor, b'{"results": [{"value": 1}, {"value": 1}, {"value": 1}]}\\n')
        except OSError:
            pass
    os._exit(0)
""",
    "steals the nonce and reports everything twice": """
import json, os, sys
def answer(n):
    frame = sys._getframe()
    while frame and "spec" not in frame.f_locals:
        frame = frame.f_back
    spec = frame.f_locals["spec"]
    line = spec["nonce"] + json.dumps({"results": [{"value": call[0]} for call in spec["calls"]]})
    for descriptor in range(1, 16):
        try:
            os.write(descriptor, (line + "\\n").encode() * 2)
        except OSError:
            pass
    os._exit(0)
""",
    "steals the nonce and looks for the answers": """
import gc, json, os, sys
def answer(n):
    frame = sys._getframe()
    while frame and "spec" not in frame.f_locals:
        frame = frame.f_back
    spec = frame.f_locals["spec"]
    wanted = [test.get("expect") if isinstance(test, dict) else None for test in spec.get("tests", spec["calls"])]
    line = spec["nonce"] + json.dumps({"results": [{"value": value} for value in wanted]})
    for descriptor in range(3, 16):
        try:
            os.write(descriptor, (line + "\\n").encode())
        except OSError:
            pass
    os._exit(0)
""",
    "closes every output": "import os\nos.closerange(0, 64)\ndef answer(n):\n    return n * n + 1",
    "never returns": "def answer(n):\n    while True:\n        pass",
    "prints for ever": "def answer(n):\n    while True:\n        print('pass' * 1000)",
    "recursion": "def answer(n):\n    return answer(n)",
    "value without end": "def answer(n):\n    x = []\n    x.append(x)\n    return x",
    "value too deep": "def answer(n):\n    x = 0\n    for _ in range(100000):\n        x = [x]\n    return x",
    "not a number": "def answer(n):\n    return float('nan')",
    "true for one": "def answer(n):\n    return True",
    "text for a number": "def answer(n):\n    return str(n * n + 1)",
    "only the first": "def answer(n):\n    return 1",
    "not a function": "answer = None\ndef answer(n): pass\nanswer = 5",
    "no Python": "The answer is n * n + 1.",
}
