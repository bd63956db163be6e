"""Results for tests that use a few of their fields: the others are filled so that the model accepts them."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)
_EMPTY: dict[Any, Any] = {Any: "", int: 0, float: 0.0, str: "", bool: False, tuple: (), dict: {}, list: []}
WHY = "not measured in this test"


def filled(model: type[M], data: dict[str, Any] | None = None) -> M:
    """A valid object of `model` with the fields of `data`, by name or alias; None where it may be, else an empty value.

    Objects inside `data` may leave out fields too.
    """
    return model.model_validate(_complete(model, data or {}))


def _complete(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    given, found = dict(data), {}
    for name, field in model.model_fields.items():
        key = field.serialization_alias or name
        if key in given or name in given:
            found[key] = _value(field.annotation, given.pop(key if key in given else name))
        elif field.is_required():
            found[key] = _value(field.annotation, None)
        if (
            found.get(key, field.default) is None
            and f"{name}_why" in model.model_fields
            and not given.get(f"{name}_why")
        ):
            found[f"{name}_why"] = WHY
    return found | given


def _options(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    return list(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else [annotation]


def _value(annotation: Any, given: Any) -> Any:
    options = _options(annotation)
    if given is None and type(None) in options:
        return None
    kind = next(option for option in options if option is not type(None))
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return given if isinstance(given, BaseModel) else _complete(kind, given or {})
    if origin is dict and given:
        return {key: _value(inner[1], item) for key, item in given.items()}
    if origin in (tuple, list) and given:
        return [_value(inner[0], item) for item in given]
    if given is not None:
        return given
    return inner[0] if origin is Literal else _EMPTY[origin or kind]
