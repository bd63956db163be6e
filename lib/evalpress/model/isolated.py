"""Work of this library in a fresh Python process that never imports vLLM; what it yields is streamed back.

vLLM decorates classes of transformers in place (the models that run through its transformers backend), and a model
loaded by transformers afterwards in the same process fails or computes something else. An accelerator is initialised in
this process only, so that the parent may still fork its engine. What is streamed passes through a socket: nothing is
kept in memory as a whole, and what the work needed is given back when the process ends.

Progress bars are drawn on a terminal only: a pipe or a file would get their carriage returns.

    with Isolated("evalpress.sections.alignment.passes") as process:
        for event in process.stream("evalpress.sections.alignment.passes:every_pass", request):
            ...
"""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from evalpress.core.errors import MeasurementError, UserError

_ERRORS: dict[str, type[Exception]] = {"UserError": UserError, "MeasurementError": MeasurementError}
_END_S = 10.0


class Isolated:
    """A process that runs generator functions, one at a time.

    Args:
        module: what the process imports at once, while the caller does something else.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        lib = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([lib, *filter(None, [os.environ.get("PYTHONPATH")])])
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), self._module],
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": path} | ({} if _on_terminal() else {"TQDM_DISABLE": "1"}),
            )
        self._connection = Connection(ours.detach())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        assert self._process is not None
        if kind is not None:
            self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stream(self, function: str, *arguments: Any) -> Iterator[Any]:
        """What the generator function `module:name` yields in the process.

        Raises:
            UserError, MeasurementError: as the function raised it; a MeasurementError for any other exception, naming
                its type, and where the process ended without an answer.
        """
        try:
            self._connection.send((function, arguments))
            while True:
                kind, value = self._connection.recv()
                if kind == "done":
                    return
                if kind != "item":
                    raise _ERRORS.get(kind, MeasurementError)(value if kind in _ERRORS else f"{kind}: {value}")
                yield value
        except (EOFError, OSError) as error:
            assert self._process is not None
            code = self._process.poll()
            raise MeasurementError(f"the process of transformers ended without an answer (exit code {code})") from error


def _on_terminal() -> bool:
    """Whether standard error, where libraries draw their progress bars, is a terminal."""
    try:
        return os.isatty(2)
    except OSError:
        return False


def _serve(connection: Connection, module: str) -> None:
    """Run what is asked for until the other end closes."""
    importlib.import_module(module)
    while True:
        try:
            function, arguments = connection.recv()
        except (EOFError, OSError):  # a reset where the caller did not read to the end
            return
        where, _, name = function.partition(":")
        try:
            for item in getattr(importlib.import_module(where), name)(*arguments):
                connection.send(("item", item))
            connection.send(("done", None))
        except (BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            said = str(error).strip().splitlines()
            connection.send((type(error).__name__, said[0] if said else ""))


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), sys.argv[2])
