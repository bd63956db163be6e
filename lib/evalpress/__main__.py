"""`python -m evalpress`."""

from __future__ import annotations

import sys

from evalpress.cli import main

if __name__ == "__main__":
    sys.exit(main())
