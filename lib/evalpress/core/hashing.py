"""Digests of JSON values, bytes and files: sha256 in hex."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any


def digest(value: Any) -> str:
    """sha256 of a JSON value (sorted keys) or of bytes, in hex."""
    if not isinstance(value, bytes):
        value = json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.sha256(value).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, read as a stream.

    Raises:
        OSError: the file cannot be read.
    """
    found = path.stat()
    return _digest_of(path, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, inode: int, size: int, changed_ns: int) -> str:
    """Cached per process and state of the file, because every section needs the digest of the same weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
