"""The command line: `python -m evalpress <verb>`. Every mistake of the user's is one line, never a traceback."""

from __future__ import annotations

import argparse
import sys
import traceback

from evalpress.cli import audit, clean, report, review, sets
from evalpress.core.errors import UserError
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
VERBS = (report, review, audit, clean, sets)
"""The modules of the verbs: each has `add(verbs)`."""


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except UserError as error:
        for line in str(error).splitlines():
            print(f"evalpress: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "evalpress: interrupted; run again to resume",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        log = CACHE / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"evalpress: unexpected {text[:300]} (traceback: {shown(log)})", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
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
    return parser
