"""Test of a sandbox: a program inside tries what must be impossible and reports what it could do."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from functools import cache
from pathlib import Path

from evalpress.sections.quality.sandbox import Limits, Sandbox

_NAMESPACES = ("net", "pid", "mnt", "ipc", "uts")
_PROGRAM = r"""
import json, os, socket, sys, tempfile
wanted = json.loads(sys.stdin.read())
held = {}

def attempt(name, action):
    try:
        action()
        held[name] = False
    except (OSError, MemoryError):
        held[name] = True

def connect():
    with socket.create_connection(("127.0.0.1", wanted["port"]), timeout=1):
        pass

def write_beside_the_file():
    with open(wanted["file"] + ".new", "w"):
        pass

def many_processes():
    children = []
    try:
        for _ in range(wanted["processes"] + 1):
            pid = os.fork()
            if pid == 0:
                os.close(pipe[1])
                os.read(pipe[0], 1)
                os._exit(0)
            children.append(pid)
    finally:
        os.close(pipe[1])
        for pid in children:
            os.waitpid(pid, 0)

pipe = os.pipe()
attempt("network", connect)
attempt("outside file read", lambda: open(wanted["file"]).close())
attempt("outside file written", write_beside_the_file)
for path in ("/", "/usr"):
    held[path + " read-only"] = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
attempt("memory limit", lambda: bytearray(2 * wanted["memory_mib"] << 20))
attempt("process limit", many_processes)
for name, link in wanted["namespaces"].items():
    held[name + " namespace"] = os.readlink("/proc/self/ns/" + name) != link
held["not root"] = os.getuid() != 0
with tempfile.TemporaryFile() as file:
    held["scratch folder"] = file.write(b"x") == 1
sys.stdout.write(wanted["nonce"] + json.dumps(held))
"""


@cache
def failures(sandbox: Sandbox) -> tuple[str, ...]:
    """What the sandbox did not prevent, or why it did not start; empty when it prevents everything.

    The listener and the file are on the host and open to every user, so that only the sandbox can
    prevent the probe from using them.
    """
    nonce = os.urandom(8).hex()
    limits = Limits(processes=6, memory_mib=128)
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        outside = Path(folder) / "secret"
        outside.write_text("secret")
        Path(folder).chmod(0o777)
        wanted = {
            "port": listener.getsockname()[1],
            "file": str(outside),
            "nonce": nonce,
            "namespaces": {name: str(Path("/proc/self/ns", name).readlink()) for name in _NAMESPACES},
            "processes": limits.processes,
            "memory_mib": limits.memory_mib,
        }
        try:
            outcome = sandbox.run_python(_PROGRAM, json.dumps(wanted).encode(), limits)
        except OSError as error:
            return (f"does not start ({error.strerror})",)
        text = outcome.stdout.decode(errors="replace")
        if not text.startswith(nonce):
            return (f"does not start ({_last_line(outcome.stderr)})",)
        held: dict[str, bool] = json.loads(text[len(nonce) :])
        held["nothing changed outside"] = list(Path(folder).iterdir()) == [outside]
        return tuple(name for name, holds in held.items() if not holds)


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:160] if lines else "no message"
