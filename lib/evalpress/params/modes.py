"""Which modes a set has: eager and compiled, or eager and the variants that it names."""

from __future__ import annotations

from typing import Any

from evalpress.core.plain import Json
from evalpress.params.engine import COMPILED, EAGER


def filled_in(data: Any) -> Any:
    """The data of a params file with the modes that follow from `engine.variants`; unchanged without variants.

    Where they are not stated, `engine.modes` is eager and every variant; `serving.modes` are those of the engine,
    compiling ones first; `evidence.mode` and `quality.mode` are the first compiling one.
    """
    engine = data.get("engine") if isinstance(data, dict) else None
    variants = engine.get("variants") if isinstance(engine, dict) else None
    if not isinstance(engine, dict) or not isinstance(variants, dict) or not variants:
        return data
    modes = engine.get("modes", tuple(dict.fromkeys((EAGER, *variants))))
    if not isinstance(modes, tuple | list) or not modes:
        return data
    compiling = [mode for mode in modes if mode != EAGER]
    main = COMPILED if COMPILED in compiling else next(iter(compiling), modes[0])
    served = (*compiling, EAGER) if EAGER in modes else tuple(compiling)
    stated: dict[str, Json] = {"engine": {"modes": tuple(modes)}, "serving": {"modes": served}}
    stated |= {"evidence": {"mode": main}, "quality": {"mode": main}}
    return data | {name: _under(data.get(name, {}), defaults) for name, defaults in stated.items()}


def _under(block: Any, defaults: Json) -> Any:
    return defaults | block if isinstance(block, dict) else block
