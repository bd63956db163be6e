"""Save a set's reference logits on a machine with a strong CPU, to be compared on another one.

    python -m evalpress.sections.alignment --set qwen2-0.5b-ascend910 reference.safetensors

On the other machine the set names the file: `alignment: {reference_logits: reference.safetensors}`. Model, tokenizer
and prompts must be the same there, which is checked before anything is compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evalpress import params
from evalpress.core.errors import MeasurementError, UserError
from evalpress.sections.alignment.section import save_reference


def main() -> int:
    """Exit code 0, or 2 with one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m evalpress.sections.alignment",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--set", default="demo", dest="set_name", help="the parameter set")
    parser.add_argument("file", type=Path, help="the file to write")
    options = parser.parse_args()
    if not options.file.absolute().parent.is_dir():
        print(f"{options.file}: the folder does not exist", file=sys.stderr)
        return 2
    try:
        path = save_reference(params.load(options.set_name), options.file.absolute())
    except (UserError, MeasurementError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
