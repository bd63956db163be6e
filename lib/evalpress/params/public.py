"""Parameters as a report may show them."""

from __future__ import annotations

from evalpress.core import secrets
from evalpress.params.engine import Variant
from evalpress.params.schema import Params


def without_secrets(params: Params) -> Params:
    """The same parameters with `***` in place of passwords, tokens and keys: for everything that is printed."""
    free = ("env", "extra", "compilation_config")
    engine = params.engine.model_copy(
        update={key: secrets.redacted(getattr(params.engine, key)) for key in free}
        | {"variants": {name: _public(variant) for name, variant in params.engine.variants.items()}}
    )
    address = params.serving.base_url
    serving = params.serving.model_copy(update={"base_url": secrets.redacted(address)})
    return params.model_copy(update={"engine": engine, "serving": serving})


def _public(variant: Variant) -> Variant:
    free = ("extra", "compilation_config")
    return variant.model_copy(update={key: secrets.redacted(getattr(variant, key)) for key in free})
