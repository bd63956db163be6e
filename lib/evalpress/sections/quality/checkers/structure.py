"""Rules on structured output: JSON against a schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import regex
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from pydantic import field_validator
from referencing import Registry

from evalpress.core.plain import Json
from evalpress.sections.quality.checkers.base import Checker, Judgement, decide, quoted, register
from evalpress.sections.quality.checkers.text import REGEX_SECONDS


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """The keyword `pattern` with a time limit; jsonschema's own uses `re`, which has none."""
    if isinstance(instance, str) and not regex.search(pattern, instance, timeout=REGEX_SECONDS):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = extend(Draft202012Validator, {"pattern": _pattern})


@register("json_schema")
class JsonSchema(Checker):
    """The first JSON object or array in the output satisfies `schema` (2020-12, no remote references)."""

    schema_: Json

    model_config = {"alias_generator": lambda name: name.rstrip("_")}

    @field_validator("schema_")
    @classmethod
    def _is_a_schema(cls, schema: Json) -> Json:
        if "patternProperties" in json.dumps(schema):
            raise ValueError("patternProperties is not supported: its patterns cannot be given a time limit")
        try:
            Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise ValueError(f"not a JSON schema: {error.message}") from None
        return schema

    def check(self, output: str) -> Judgement:
        try:
            value, end = _first_json(output)
        except RecursionError:
            return Judgement("fail", "JSON nested too deeply to be read")
        if value is None:
            return Judgement("fail", "contains no JSON object or array")
        try:
            error = next(iter(_Validator(self.schema_, registry=Registry()).iter_errors(value)), None)
        except TimeoutError:
            return Judgement("needs_review", f"a pattern of the schema needed more than {REGEX_SECONDS:g} s")
        if error is None:
            reason = f"{quoted(json.dumps(value, ensure_ascii=False))} satisfies the schema"
            rest = output[end:].replace("```", "").strip()
            more = f": the first JSON value of the answer; after it comes {quoted(rest)}" if rest else ""
            return Judgement("pass", reason + more, True)
        return decide(False, f"at {error.json_path}: {quoted(error.message, 120)}", True)


def _first_json(text: str) -> tuple[Any, int]:
    """The first object or array that parses and where it ends, or None; few attempts: many brackets cost little."""
    decoder = json.JSONDecoder()
    starts = [at for at, character in enumerate(text) if character in "{["]
    for at in starts[:50]:
        try:
            return decoder.raw_decode(text, at)
        except ValueError:
            continue
    return None, 0
