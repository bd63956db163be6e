"""What the serving section needs from this host, checked before anything runs."""

from __future__ import annotations

import os
import socket

from evalpress.core.errors import UserError
from evalpress.core.paths import resolve
from evalpress.params.schema import Params


def check(params: Params) -> None:
    """Refuse an address that this host does not have, and a key or certificate that is not there.

    Raises:
        UserError: `serving.<key>: found …, allowed …`.
    """
    serving = params.serving
    if serving.base_url is None:
        _bindable(serving.host)
        return
    if serving.api_key_env and not os.environ.get(serving.api_key_env):
        found = f"serving.api_key_env: found {serving.api_key_env!r}, which is not set"
        raise UserError(f"{found}; allowed a variable that holds the key")
    if serving.ca_file and not resolve(serving.ca_file).is_file():
        raise UserError(f"serving.ca_file: found {serving.ca_file!r}, allowed a PEM file that exists")


def _bindable(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except (OSError, TypeError, ValueError) as error:  # no address; a NUL; a label of a name that is too long
        told = getattr(error, "strerror", None) or str(error)
        raise UserError(f"serving.host: found {host!r} ({told}), allowed an address of this host") from None
