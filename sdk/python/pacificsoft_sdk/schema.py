"""Configurations as dataclasses: their JSON Schema (2020-12), their defaults, and reading them from JSON."""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any

_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a type. `field(metadata={"title": …, "minimum": …})` goes into the schema as it stands."""
    if is_dataclass(kind):
        return _object(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return {"type": "array", "items": schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(arguments[1])}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if _is_optional(kind):
        return {"anyOf": [schema(_present(kind)), {"type": "null"}]}
    if kind is Any:
        return {}
    raise TypeError(f"a configuration cannot hold {kind!r}")


def defaults(kind: type) -> dict[str, Any]:
    """The configuration of a new node: what stands in the dataclass. A field without a default has none."""
    values = {}
    for field in fields(kind):
        if field.default is not MISSING:
            values[field.name] = _plain(field.default)
        elif field.default_factory is not MISSING:
            values[field.name] = _plain(field.default_factory())
    return values


def read(kind: Any, value: Any, where: str = "the configuration") -> Any:
    """A value of a type, from JSON. Raises `ValueError` with words for the configuration's author."""
    if is_dataclass(kind):
        return _read_object(kind, value, where)
    if kind is Any:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in _PLAIN:
        return _expect(isinstance(value, kind) and (kind is not int or not isinstance(value, bool)), where, _PLAIN[kind], value)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        _expect(value in [member.value for member in kind], where, "one of " + ", ".join(str(m.value) for m in kind), value)
        return kind(value)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        _expect(isinstance(value, list), where, "array", value)
        return [read(arguments[0], element, f"{where}[{index}]") for index, element in enumerate(value)]
    if origin is dict:
        _expect(isinstance(value, dict), where, "object", value)
        return {key: read(arguments[1], member, f"{where}.{key}") for key, member in value.items()}
    if origin is typing.Literal:
        return _expect(value in arguments, where, "one of " + ", ".join(map(str, arguments)), value)
    if _is_optional(kind):
        return None if value is None else read(_present(kind), value, where)
    raise TypeError(f"a configuration cannot hold {kind!r}")


def _object(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    default = defaults(kind)
    properties, required = {}, []
    for field in fields(kind):
        own = schema(hints[field.name]) | dict(field.metadata)
        if field.name in default:
            own["default"] = default[field.name]
        else:
            required.append(field.name)
        properties[field.name] = own
    result: dict[str, Any] = {"type": "object", "properties": properties}
    return result | ({"required": required} if required else {})


def _read_object(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), where, "object", value)
    hints = typing.get_type_hints(kind)
    given = {}
    for field in fields(kind):
        if field.name in value:
            given[field.name] = read(hints[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where}.{field.name} is missing")
    return kind(**given)


def _expect(holds: bool, where: str, wanted: str, value: Any) -> Any:
    if not holds:
        raise ValueError(f"{where} is {value!r}, not {wanted}")
    return value


def _is_optional(kind: Any) -> bool:
    arguments = typing.get_args(kind)
    return typing.get_origin(kind) in (typing.Union, types.UnionType) and len(arguments) == 2 and type(None) in arguments


def _present(kind: Any) -> Any:
    return next(one for one in typing.get_args(kind) if one is not type(None))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, enum.Enum):
        return value.value
    return [_plain(element) for element in value] if isinstance(value, list) else value
