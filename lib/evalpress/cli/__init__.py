"""The command line: `python -m evalpress <verb>`. Every user error is one line, never a traceback."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import sys
import traceback

from evalpress.cli import (
    audit,
    card,
    check_versions,
    clean,
    compare,
    doctor,
    facts,
    judge,
    model,
    npu_smi,
    parse_log,
    pdf,
    reconcile,
    report,
    review,
    sets,
    status,
)
from evalpress.core import secrets
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.paths import CACHE, shown

_EXAMPLES = """\
examples:
  python -m evalpress report                            the demo model on this machine's CPU
  python -m evalpress report --set qwen2-0.5b-cpu       another set of params/
  python -m evalpress report --set params/mine.yaml     a params file of your own
  python -m evalpress render --set demo                 render again, measure nothing
  python -m evalpress publish --set demo                copy the finished report to reports/published/demo/

exit status: 0; 1 when a notebook failed or a gate is `fail`; 2 for unusable parameters (nothing was run)
"""
_EXPECTED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors of the host, such as a full disk or a missing permission: one line, no traceback."""
VERBS = (
    report,
    status,
    review,
    judge,
    compare,
    audit,
    reconcile,
    card,
    parse_log,
    pdf,
    npu_smi,
    check_versions,
    doctor,
    clean,
    sets,
    facts,
    model,
)
"""The modules of the verbs: each has `add(verbs)`."""


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status: 0, 1 for a run that went wrong, 2 for unusable input, 130 interrupted."""
    given = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for characters that the terminal cannot print
    parser, verbs = _parser()
    try:
        _known_verb(given, verbs)
        args = parser.parse_args(given)
        return int(args.run(args))
    except UserError as error:
        _say(*str(error).splitlines())
        return 2
    except KeyboardInterrupt:
        _say("interrupted; run again to resume")
        return 130
    except BrokenPipeError:
        return 1
    except MeasurementError as error:
        _say(str(error))
        return 1
    except MemoryError:
        _say("not enough memory; results that are there are kept, run again to resume")
        return 1
    except OSError as error:
        if error.errno not in _EXPECTED:
            _say(_unexpected(error))
        else:
            where = f"{shown(error.filename)}: " if isinstance(error.filename, str) else ""
            _say(f"{where}{error.strerror}")
        return 1
    except Exception as error:
        _say(_unexpected(error))
        return 1


def _say(*lines: str) -> None:
    """Lines of text without secrets."""
    for line in lines:
        print(secrets.without_login(secrets.scrub(f"evalpress: {line}")), file=sys.stderr)


def _unexpected(error: Exception) -> str:
    """One line for a fault of this program, with its traceback in a file where one can be written."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    log = CACHE / "error.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(secrets.scrub(traceback.format_exc()), encoding="utf-8", errors="backslashreplace")
    except OSError as problem:
        return f"unexpected {text} (no traceback: {shown(log)}: {problem.strerror})"
    return f"unexpected {text} (traceback: {shown(log)})"


def _known_verb(given: list[str], verbs: list[str]) -> None:
    """Refuse a misspelt verb with the nearest one."""
    first = given[0] if given else ""
    if not first or first.startswith("-") or first in verbs:
        return
    close = difflib.get_close_matches(first, verbs, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UserError(f"verb {first!r}: unknown{hint}; allowed: {', '.join(verbs)}")


def _parser() -> tuple[argparse.ArgumentParser, list[str]]:
    """The parser, and the names of its verbs."""
    parser = argparse.ArgumentParser(
        prog="evalpress",
        description="Measure a language model on vLLM (Ascend NPU, CUDA, CPU) and print a publishable report.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for module in VERBS:
        module.add(verbs)
    return parser, sorted(verbs.choices)
