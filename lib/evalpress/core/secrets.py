"""Secrets never reach a file of a report: passwords in addresses, values of variables named like a token or key.

Two mechanisms. By name: `redacted` walks a mapping and hides the value of every key that names a secret, the login
of every address, and what a text gives such a name in JSON, a query, options or a header. By value: `remember` notes
a secret's value, and `scrub` replaces it wherever it is in text that is about to be written (results, notebooks, logs,
messages).
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
_MIN_LENGTH = 6
"""Shorter values are hidden by name only: replaced in running text they would destroy ordinary words."""
_NAME = re.compile(
    r"(?:^|[^a-z])(?:key|secrets?|passphrase|credentials?|authorization|cookie|bearer)$|(?:password|passwd|apikey)s?$"
    r"|token$|(?:^|[-_])(?:pass|auth)$|[-_](?:pwd|pat)$|(?:api|access|auth|private|secret)[-_]?(?:keys|tokens|key[-_]?id)$",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"[a-z0-9](?:Key|Secret|Pass|Auth|Credentials?)$")
"""The same in names such as `accessKey`; `monkey` ends in no word of its own."""
_NO_SECRET = re.compile(
    r"(?:^|[^a-z])(?:bos|eos|pad|unk|sep|cls|mask|stop|start|end|think|image|audio|video|special|next|last|per|each|of)"
    r"[-_]?token$|(?:^|[^a-z])(?:sort|cache|primary|foreign|public)[-_]?key$",
    re.IGNORECASE,
)
"""Tokens of a tokenizer and keys that open nothing."""
_PAIR = re.compile(r"""([A-Za-z][\w-]*)["']?\s*[:=]\s*["']?(?=((?:Bearer |Basic )?[^\s"',;&{}\[\]]+))""")
_OPTION = re.compile(r"(?:^|\s)--?([A-Za-z][\w-]*)\s+(?=([^\s-]\S*))")
"""A name and its value in a text: JSON, `a=b`, a query, `Header: value`; `--option value`."""
_COMMON = frozenset(("default", "disabled", "enabled", "required", "optional", "password", "bearer", "secret", "token"))
"""Words that are no secret in any place."""
_LOGIN = re.compile(r"(?<=://)[^\s/?#'\"<>@]*(?:@[^\s/?#'\"<>@]*)*@(?=[^\s/?#'\"<>@])")
_known: set[str] = set()


def is_secret_name(name: str) -> bool:
    """Whether a variable or key of this name holds a secret: `HF_TOKEN`, `api_key`, `DB_PASSWORD`, not `max_tokens`."""
    known = _NAME.search(name) or _CAPITAL.search(name)
    return known is not None and _NO_SECRET.search(name) is None


def without_login(address: str) -> str:
    """`address` with `user:password@` replaced by `***@`."""
    return _LOGIN.sub(f"{HIDDEN}@", address)


def redacted(value: Any, name: str = "") -> Any:
    """A JSON value in which secrets are hidden by their names, and logins in addresses; everything else as it was."""
    if isinstance(value, Mapping):
        return {key: redacted(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, name) for item in value]
    if value is not None and not isinstance(value, bool) and is_secret_name(name):
        return HIDDEN
    return _without_named(without_login(value)) if isinstance(value, str) else value


def _named(text: str) -> list[tuple[int, int]]:
    """Where a text gives a value to a name that names a secret: start and end of each such value, in order."""
    matches = [match for pattern in (_PAIR, _OPTION) for match in pattern.finditer(text)]
    found: list[tuple[int, int]] = []
    for start, end in sorted(match.span(2) for match in matches if is_secret_name(match[1])):
        if not found or start >= found[-1][1]:
            found.append((start, end))
    return found


def _without_named(text: str) -> str:
    for start, end in reversed(_named(text)):
        text = text[:start] + HIDDEN + text[end:]
    return text


def remember(value: Any, name: str = "", *, inside: bool = False) -> None:
    """Note the secrets that a JSON value holds, so that `scrub` finds them in any text of this process.

    Args:
        inside: also what a text gives a name that names a secret, as an option or in JSON. Not for running text.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            remember(item, str(key), inside=inside)
    elif isinstance(value, list | tuple):
        for item in value:
            remember(item, name, inside=inside)
    elif isinstance(value, str):
        if is_secret_name(name):
            _note(value)
        for start, end in _named(value) if inside else ():
            _note(value[start:end])
            _note(value[start:end].partition(" ")[2])
        for login in _LOGIN.findall(value):
            _note_login(login)


def _note(secret: str) -> None:
    if len(secret.strip()) >= _MIN_LENGTH and secret.strip().lower() not in _COMMON:
        _known.add(secret.strip())


def _note_login(login: str) -> None:
    """A login as in an address, decoded, and as the header that HTTP clients make of it."""
    plain = unquote(login.removesuffix("@"))
    _known.add(login)
    _known.add(base64.b64encode(plain.encode()).decode())
    for part in (login.removesuffix("@"), plain):
        _note(part)
        _note(part.partition(":")[2])


def remember_environment() -> None:
    """Note the secrets among the variables of this process."""
    remember(dict(os.environ))


def scrub(text: str) -> str:
    """`text` without the secrets noted in this process."""
    for secret in sorted(_known, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, f"{HIDDEN}@" if secret.endswith("@") else HIDDEN)
    return text


def scrub_bytes(data: bytes) -> bytes:
    """As `scrub`, for output whose encoding is unknown."""
    for secret in sorted(_known, key=len, reverse=True):
        data = data.replace(secret.encode("utf-8", "replace"), HIDDEN.encode())
    return data


def scrubbed(value: Any) -> Any:
    """A JSON value with every text scrubbed; the value itself where no secret is known."""
    if not _known:
        return value
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {key: scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(item) for item in value]
    return value


def longest() -> int:
    """Length in bytes of the longest known secret: so much of a stream may hold the start of one."""
    return max((len(secret.encode("utf-8", "replace")) for secret in _known), default=0)
