"""Parameters of a task from a command line: `key=value` pairs become values of the types that the task type has."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from app.local.client import ClientError

_SCALARS = frozenset({"string", "integer", "number", "boolean"})


def parse_parameters(pairs: Sequence[str], schema: type[BaseModel]) -> dict[str, Any]:
    """`key=value` pairs as JSON values of the types the schema has.

    A list is JSON, or its items with commas between, or one pair for each; these can be mixed. Raises: `ClientError`.
    """
    properties = _Properties(schema.model_json_schema())
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ClientError("bad_parameter", f"--param takes key=value, not {pair!r}", target="parameters")
        if properties.is_list(name):
            values.setdefault(name, []).extend(properties.items(name, value))
        elif name in values:
            raise _wrong(name, "it is given twice", schema)
        else:
            values[name] = value
    try:
        return schema.model_validate(values).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        wrong = "there is no such parameter" if first["type"] == "extra_forbidden" else first["msg"]
        raise _wrong(name, wrong, schema) from error


def _wrong(name: str, what: str, schema: type[BaseModel]) -> ClientError:
    known = ", ".join(schema.model_fields) or "none"
    return ClientError(
        "bad_parameter", f"--param {name}: {what}; parameters are: {known}", target=f"parameters.{name}"
    )


class _Properties:
    """What a JSON Schema says of its properties."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._properties = schema.get("properties", {})
        self._definitions = schema.get("$defs", {})

    def is_list(self, name: str) -> bool:
        """Whether it may be an array."""
        return self._array(name) is not None

    def items(self, name: str, value: str) -> list[Any]:
        """What one pair gives to a list. Raises: `ClientError` for broken JSON."""
        of = self._resolved((self._array(name) or {}).get("items", {}))
        is_plain = of.get("type") in _SCALARS
        # What is no scalar can only be JSON; of scalars only a whole list may be.
        if value.strip().startswith("[") or not is_plain:
            try:
                given = json.loads(value)
            except ValueError as error:
                raise ClientError(
                    "bad_parameter", f"--param {name}: this is no JSON: {error}", target=f"parameters.{name}"
                ) from error
            return given if isinstance(given, list) else [given]
        return [item.strip() for item in value.split(",") if item.strip()]

    def _array(self, name: str) -> Mapping[str, Any] | None:
        """The schema of the array that the property may be."""
        property_ = self._resolved(self._properties.get(name, {}))
        for one in (property_, *map(self._resolved, property_.get("anyOf", ()))):
            if one.get("type") == "array":
                return one
        return None

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._definitions.get(str(schema.get("$ref")).rpartition("/")[2], schema)
        return found
