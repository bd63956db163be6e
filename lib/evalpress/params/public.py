"""Parameters as a report may show them."""

from __future__ import annotations

from evalpress.core import secrets
from evalpress.params.schema import Params


def without_secrets(params: Params) -> Params:
    """The same parameters with `***` in place of passwords, tokens and keys: for everything that is printed."""
    engine = params.engine.model_copy(
        update={"env": secrets.redacted(params.engine.env), "extra": secrets.redacted(params.engine.extra)}
    )
    address = params.serving.base_url
    serving = params.serving.model_copy(update={"base_url": secrets.redacted(address)})
    return params.model_copy(update={"engine": engine, "serving": serving})
