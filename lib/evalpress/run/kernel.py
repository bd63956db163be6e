"""The kernel that all notebooks of a report share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from queue import Empty
from types import TracebackType

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop, run_sync

from evalpress.core import lock
from evalpress.core.hashing import digest
from evalpress.core.paths import CACHE, ROOT
from evalpress.core.plain import Json
from evalpress.run import processes
from evalpress.run.logs import LogPump

_START_S = 120
_SOCKET_PATH = 90
"""Longest folder for IPC sockets: a socket's whole path must stay below 104 bytes (the shortest sun_path)."""

_USERS_OWN = frozenset({"PYTHONSTARTUP", "MATPLOTLIBRC", "PYTHONINSPECT"})
"""Variables by which a user's own settings would run in the kernel or change its figures."""

_ARGUMENTS = ("--IPKernelApp.outstream_class=evalpress.run.streams.plain", "--HistoryManager.enabled=False")

# Without a __spec__ of __main__, which the reset takes away, no process can be spawned: vLLM starts workers so.
_CLEAR = """
import os, sys
if "matplotlib.pyplot" in sys.modules:
    sys.modules["matplotlib.pyplot"].close("all")
os.chdir({folder!r})
get_ipython().reset(new_session=True)
__import__("sys").modules["__main__"].__spec__ = None
"""


_LAUNCH = "from ipykernel import kernelapp; kernelapp.launch_new_instance()"


class _ThisInterpreter(KernelSpecManager):
    """The kernel is this interpreter, whichever kernels are installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-u", "-P", "-c", _LAUNCH, "-f", "{connection_file}", *_ARGUMENTS]
        return KernelSpec(argv=argv, display_name="Python 3 (evalpress)", language="python")


class SharedKernel:
    """Started by `start` or the first `begin`, kept between notebooks, started again after it ended. A context manager.

    Args:
        report: the report's folder; every process that the kernel starts is marked with it.
        workdir: the working folder of notebooks.
        env: variables over those of this process.
    """

    def __init__(self, report: Path, workdir: Path, env: Mapping[str, str]) -> None:
        self._report, self._workdir, self._env = report, workdir, env
        self._home: Path | None = None
        self._pump: LogPump | None = None
        self.manager: AsyncKernelManager | None = None
        self.client: AsyncKernelClient | None = None

    def start(self, log: Path, append: bool = False) -> None:
        """Start the process and return; the first `begin` waits until it answers. Its output goes to `log`.

        Raises:
            RuntimeError: there is no place for its sockets.
        """
        processes.end_all(self._report)  # what a killed run of this report may have left
        self._home = self._fresh_home()
        self._pump = LogPump()
        self._pump.to(log, append)
        self.manager = AsyncKernelManager(
            kernel_spec_manager=_ThisInterpreter(),
            kernel_name="evalpress",
            connection_file=str(self._home / "kernel.json"),
            transport="ipc" if len(str(self._home)) < _SOCKET_PATH else "tcp",
        )
        run_sync(self.manager.start_kernel)(
            env=self._environment(), cwd=str(self._workdir), stdout=self._pump.write_end, stderr=self._pump.write_end
        )
        self._pump.started()

    def begin(self, log: Path, append: bool = False) -> None:
        """A running kernel with an empty namespace, whose output goes to `log`.

        Raises:
            RuntimeError: the kernel does not start.
        """
        if self.manager is not None and not self.is_alive():
            self.discard()
        if self.manager is None:
            self.start(log, append)
        if self.client is None:
            self._connect()
        elif self._pump:
            self._pump.to(log, append)
        with contextlib.suppress(OSError):  # a full disk: the terminal shows no steps
            self._progress.write_text("", encoding="utf-8")
        self._run_silently(_CLEAR.format(folder=str(self._workdir)), _START_S)

    def quietly(self, code: str) -> None:
        """Run code that may fail without consequence: what it was to prepare is then done later."""
        if self.manager is not None and self.is_alive():
            self._run_silently(code, _START_S, strict=False)

    @property
    def step(self) -> str:
        """The library's current step (evalpress.core.progress)."""
        try:
            return self._progress.read_text(encoding="utf-8").strip() if self._home else ""
        except (OSError, ValueError):
            return ""

    def is_alive(self) -> bool:
        return self.manager is not None and bool(run_sync(self.manager.is_alive)())

    def death(self) -> str:
        """How the kernel ended, in words."""
        provisioner = self.manager.provisioner if self.manager else None
        code = run_sync(provisioner.poll)() if provisioner else None
        if code is None:
            return "the kernel died"
        if code >= 0:
            return f"the kernel ended with exit status {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
        return f"the kernel died (killed by {name}{hint})"

    def interrupt(self, patience_s: float) -> None:
        """Interrupt the running cell and give its clean-up code up to `patience_s` seconds."""
        if self.manager is None:
            return
        _cancel_leftovers()
        run_sync(self.manager.interrupt_kernel)()
        self._run_silently("pass", patience_s, strict=False)

    def discard(self) -> None:
        """End the kernel and all that it started.

        No shutdown request first: with engines loaded, the kernel's own shutdown takes seconds. Worker processes
        free their device on SIGTERM.
        """
        _cancel_leftovers()
        processes.end_all(self._report)
        self._forget()

    def __enter__(self) -> SharedKernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.manager is not None:
            self.discard()

    @property
    def _progress(self) -> Path:
        assert self._home is not None
        return self._home / "progress"

    def _connect(self) -> None:
        assert self.manager is not None
        self.client = self.manager.client()
        self.client.start_channels()
        run_sync(self.client.wait_for_ready)(timeout=_START_S)
        self.client.allow_stdin = False

    def _fresh_home(self) -> Path:
        """A private folder for sockets, short enough for them; always the same one, so that none is left behind."""
        name = f"evalpress-{os.getuid()}-{digest(str(self._report))[:16]}"
        home = Path(tempfile.gettempdir(), name)
        shutil.rmtree(home, ignore_errors=True)
        try:
            home.mkdir(mode=0o700)
        except OSError as error:
            raise RuntimeError(f"the kernel's folder cannot be made: {error}") from None
        return home

    def _environment(self) -> dict[str, str]:
        own = {
            lock.MARKER: str(self._report),
            "EVALPRESS_PROGRESS": str(self._progress),
            "IPYTHONDIR": str(self._home),  # no start-up files or settings of the user's own IPython
            "PYTHONIOENCODING": "utf-8:backslashreplace",  # any text can be printed into the log
            "MPLCONFIGDIR": str(CACHE / "matplotlib"),
            "NUMBA_CACHE_DIR": str(CACHE / "numba"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a warning for people who debug
            # vLLM's sockets are in this folder and removed with it; killed engines do not remove theirs.
            "VLLM_RPC_BASE_PATH": os.environ.get("VLLM_RPC_BASE_PATH", str(self._home)),
        }
        # Relative folders would be looked for in the notebooks' folder: the kernel imports the library of this process.
        folders = [str(ROOT / "lib"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        own["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(str(Path(one).resolve()) for one in folders if one))
        inherited = {name: value for name, value in os.environ.items() if name not in _USERS_OWN}
        return {**inherited, **self._env, **own}

    def _run_silently(self, code: str, timeout_s: float, strict: bool = True) -> None:
        assert self.client is not None
        try:
            reply = run_sync(self.client.execute_interactive)(
                code, silent=True, store_history=False, allow_stdin=False, timeout=timeout_s, output_hook=_ignore
            )
        except (TimeoutError, RuntimeError, Empty):
            if strict:
                raise RuntimeError("the kernel does not answer") from None
            return
        if strict and reply["content"]["status"] != "ok":
            raise RuntimeError(f"the kernel refuses to be cleared: {reply['content'].get('evalue')}")

    def _forget(self) -> None:
        if self.client:
            self.client.stop_channels()
        if self._pump:
            self._pump.close()
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)
        self._home = self._pump = self.manager = self.client = None


def _cancel_leftovers() -> None:
    """nbclient abandons tasks on a time-out and an interrupt: they would go on reading the kernel's messages."""
    loop = ensure_event_loop()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _ignore(message: Json) -> None:
    """An output hook for silent requests, whose output is not needed."""
