"""Ten thousand malformed params files: `evalpress report` refuses each with exit status 2 and one line per mistake.

Mutations of the shipped sets (lines dropped, doubled, cut, swapped; values replaced by others of every kind; characters
that YAML, JSON or a file system find special) and texts of such characters only. A mutation that happens to be
a valid set is no malformed file: it is counted as accepted and another one takes its place.

    python benchmarks/malformed_params.py [--count 10000] [--seed 0]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalpress import cli, params
from evalpress.core.paths import PARAMS

VALUES = (
    *("", "~", "true", "'1'", "-1", "0", "1e400", ".inf", ".nan", "0x1F", "9" * 400, "[]", "{}", "[[1]]", "{a: 1}"),
    *('"\\ud83d"', '"\\ud83d\\ude00"', '"\\0"', "!!python/object:os.system x", "!!binary aGk=", "*none", "&a [*a]"),
    *(
        "2026-11-25",
        "12:30",
        "../x",
        "/",
        "..",
        "~nobody/x",
        "x" * 5000,
        "'\u202e'",
        "? [a]\n: b",
        "- - -",
        "<<: {a: 1}",
    ),
)
MARKS = "\t\0\x07\ufeff\u2028\ud7ff{}[]:#&*!|>'\"%@`,?-\\\n "


def mutated(text: str, draw: random.Random) -> str:
    """`text` with one to three changes."""
    lines = text.splitlines()
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(lines))
        kind = draw.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif kind == 2:
            lines[at] = lines[at][: draw.randint(0, len(lines[at]))]
        elif kind == 3:
            lines[at] = " " * draw.randint(0, 4) + lines[at].strip()
        elif kind == 4:
            lines[at] = lines[at].partition(":")[0] + ": " + draw.choice(VALUES)
        elif kind == 5:
            cut = draw.randint(0, len(lines[at]))
            lines[at] = lines[at][:cut] + draw.choice(MARKS) + lines[at][cut:]
        elif kind == 6:
            lines.append(draw.choice(("set: ", "model: ", "engine: ", "skip: ", "extends: ")) + draw.choice(VALUES))
        else:
            lines = lines[: at + 1] or [""]
        lines = lines or [""]
    return "\n".join(lines) + "\n"


def noise(draw: random.Random) -> str:
    """A text of special characters and values."""
    return "".join(draw.choice((*MARKS, *VALUES, "a: ", "\n")) for _ in range(draw.randint(0, 40)))


class _AcceptedError(BaseException):
    """The parameters are valid; the command goes no further."""


@contextlib.contextmanager
def only_loading() -> Iterator[None]:
    """Inside, a command ends where it has loaded valid parameters."""
    load = params.load

    def loads(*given: Any, **more: Any) -> Any:
        load(*given, **more)
        raise _AcceptedError

    params.load = loads
    try:
        yield
    finally:
        params.load = load


def outcome(path: Path) -> str:
    """`accepted`, `refused`, or what is wrong: the exit status, a traceback, a message that is not plain lines."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            status = cli.main(["report", "--set", str(path)])
    except _AcceptedError:
        return "accepted"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    lines = told.getvalue().splitlines()
    plain = lines and all(line.startswith("evalpress: ") and 11 < len(line) < 2000 for line in lines)
    return "refused" if status == 2 and plain else f"exit {status}: {told.getvalue()[:200]!r}"


def run(count: int, seed: int, folder: Path) -> Counter[str]:
    """Outcomes until `count` files were not accepted."""
    draw, found = random.Random(seed), Counter[str]()
    sets = [path.read_text(encoding="utf-8") for path in sorted(PARAMS.glob("*.yaml"))]
    path = folder / "set.yaml"
    with only_loading():
        while found.total() - found["accepted"] < count:
            text = noise(draw) if found.total() % 10 == 0 else mutated(draw.choice(sets), draw)
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            result = outcome(path)
            if result not in ("accepted", "refused") and found[result] == 0:
                print(f"--- {result}\n{text[:400]!r}")
            found[result] += 1
    return found


def main() -> None:
    """Print the outcomes and the time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = run(args.count, args.seed, Path(folder))
    for result, times in found.most_common():
        print(f"{times:>7,}  {result}")
    print(f"{args.count:,} malformed files in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
