"""Testing nodes natively, without a host: messages made of Python values, and a platform that remembers what it was told.

Importing this module puts the test's platform behind the contract's functions. It has no place in a component.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from typing import Any

from componentize_py_types import Err
from wit_world.imports.entity import EntityId
from wit_world.imports.json import Shape

from pacificsoft_sdk.message import Message
from pacificsoft_sdk.outcome import effect_name

_MISSING = object()


@dataclass
class Platform:
    """What a node finds around it. `platform` is the one in use; `reset` gives it back its first values."""

    now_ms: int = 1_700_000_000_000
    lines: list[tuple[str, str]] = field(default_factory=list)
    attributes: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    latest: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    #: Readings by entity id and key: times and values, oldest first.
    series: dict[tuple[str, str], list[tuple[int, Any]]] = field(default_factory=dict)
    #: Entities and customers.
    entities: list[Any] = field(default_factory=list)
    tenant: EntityId = field(default_factory=lambda: EntityId("TENANT", "00000000-0000-0000-0000-0000000000ff"))
    #: Source, type, target.
    relations: list[tuple[EntityId, str, EntityId]] = field(default_factory=list)
    #: Entity and view.
    views: list[tuple[EntityId, Any]] = field(default_factory=list)
    #: In the form of the REST API.
    alarms: list[dict[str, Any]] = field(default_factory=list)
    #: By id of the device.
    credentials: dict[str, Any] = field(default_factory=dict)
    #: What the node reported about itself.
    figures: dict[str, float] = field(default_factory=dict)
    #: What the node keeps: bytes by key.
    state: dict[str, bytes] = field(default_factory=dict)
    #: Timers that are set, with their delays in milliseconds. Tests call `on_timer` themselves.
    timers: dict[str, int] = field(default_factory=dict)

    def reset(self) -> None:
        """As at the beginning."""
        self.__init__()


platform = Platform()


@dataclass
class TestMessage(Message):
    """A message made of Python values."""

    #: Test runners take classes named Test… for tests.
    __test__ = False

    type: str
    payload: Any
    entries: dict[str, str] = field(default_factory=dict)
    entity: EntityId = field(default_factory=lambda: EntityId("DEVICE", "00000000-0000-0000-0000-000000000001"))
    ts_ms: int = 1_700_000_000_000

    @classmethod
    def telemetry(cls, payload: Any, **metadata: str) -> "TestMessage":
        """Telemetry, with metadata."""
        return cls("POST_TELEMETRY_REQUEST", payload, metadata)

    def kind(self) -> str:
        return self.type

    def originator(self) -> EntityId:
        return self.entity

    def timestamp(self) -> int:
        return self.ts_ms

    def metadata(self, key: str) -> str | None:
        return self.entries.get(key)

    def metadata_entries(self) -> list[tuple[str, str]]:
        return sorted(self.entries.items())

    def shape(self, path: str) -> Shape:
        return _shape(self._at(path))

    def number(self, path: str) -> float | None:
        found = self._at(path)
        return float(found) if _shape(found) == Shape.NUMBER else None

    def integer(self, path: str) -> int | None:
        found = self._at(path)
        return found if _shape(found) == Shape.NUMBER and isinstance(found, int) and -(1 << 63) <= found < 1 << 63 else None

    def boolean(self, path: str) -> bool | None:
        found = self._at(path)
        return found if isinstance(found, bool) else None

    def text(self, path: str) -> str | None:
        found = self._at(path)
        return found if isinstance(found, str) else None

    def keys(self, path: str = "") -> list[str]:
        found = self._at(path)
        return list(found) if isinstance(found, dict) else []

    def length(self, path: str = "") -> int:
        found = self._at(path)
        return len(found) if isinstance(found, (dict, list)) else 0

    def json(self, path: str = "") -> str | None:
        found = self._at(path)
        return None if found is _MISSING else json.dumps(found)

    def _at(self, path: str) -> Any:
        if not path:
            return self.payload
        if not path.startswith("/"):
            return self.payload.get(path, _MISSING) if isinstance(self.payload, dict) else _MISSING
        found = self.payload
        for token in path[1:].split("/"):
            found = _step(found, token.replace("~1", "/").replace("~0", "~"))
        return found


def named(one: Any) -> tuple[str, Any]:
    """An effect as its name in the contract and its record, for assertions."""
    return effect_name(one), one.value


def _step(found: Any, token: str) -> Any:
    if isinstance(found, dict):
        return found.get(token, _MISSING)
    if isinstance(found, list) and token.isdecimal() and int(token) < len(found):
        return found[int(token)]
    return _MISSING


def _shape(found: Any) -> Shape:
    if found is _MISSING:
        return Shape.ABSENT
    if found is None:
        return Shape.NULL
    kinds = [(bool, Shape.BOOLEAN), ((int, float), Shape.NUMBER), (str, Shape.TEXT), (dict, Shape.OBJECT), (list, Shape.ARRAY)]
    return next(shape for kind, shape in kinds if isinstance(found, kind))


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _latest(entity: EntityId, key: str) -> tuple[int, str] | None:
    found = platform.latest.get((entity.id, key))
    return None if found is None else (found[0], json.dumps(found[1]))


def _attributes(entity: EntityId, scope: str, keys: list[str]) -> list[tuple[str, int, str]]:
    found = [(key, platform.attributes.get((entity.id, scope, key))) for key in keys]
    return [(key, 1, json.dumps(value)) for key, value in found if value is not None]


def _latest_values(entity: EntityId, keys: list[str]) -> list[tuple[str, int, str]]:
    found = [(key, platform.latest.get((entity.id, key))) for key in keys]
    return [(key, one[0], json.dumps(one[1])) for key, one in found if one is not None]


def _series(entity: EntityId, key: str, span: Any) -> list[tuple[int, str]]:
    inside = [one for one in platform.series.get((entity.id, key), []) if span.from_ms <= one[0] < span.to_ms]
    ordered = inside[::-1] if span.newest_first else inside
    return [(ts, json.dumps(value)) for ts, value in ordered[: span.limit]]


def _entity(id: EntityId, customer: bool) -> Any:
    found = (one for one in platform.entities if one.id == id and (id.entity_type == "CUSTOMER") == customer)
    return next(found, None)


def _named(entity_type: str, name: str) -> EntityId | None:
    return next((one.id for one in platform.entities if one.id.entity_type == entity_type and one.name == name), None)


def _customer_of(id: EntityId) -> Any:
    found = _entity(id, False)
    return None if found is None or found.customer is None else _entity(found.customer, True)


def _related(entity: EntityId, direction: Any, relation_type: str | None, limit: int) -> list[Any]:
    contract = importlib.import_module("wit_world.imports.relations")
    outgoing = direction == contract.Direction.OUTGOING
    ends = [(source, name, target) if outgoing else (target, name, source) for source, name, target in platform.relations]
    return [contract.Related(name, far) for near, name, far in ends if near == entity and relation_type in (None, name)][:limit]


def _active(originator: EntityId) -> list[dict[str, Any]]:
    return [one for one in platform.alarms if one["originator"]["id"] == originator.id and not one.get("cleared")]


def _count(name: str, amount: int) -> None:
    platform.figures[name] = platform.figures.get(name, 0) + amount


def _keep(key: str, value: bytes) -> None:
    new = key not in platform.state
    if not 1 <= len(key.encode()) <= 256 or len(value) > 65_536 or (new and len(platform.state) >= 1_000):
        raise Err("the node may not keep this: it is too long, or there are 1000 keys")
    platform.state[key] = value


def _install() -> None:
    functions = {
        "log": {"log": lambda level, text: platform.lines.append((level.name.lower(), text))},
        "clock": {"now_ms": lambda: platform.now_ms},
        "readings": {
            "attribute": lambda entity, scope, key: _text(platform.attributes.get((entity.id, scope, key))),
            "latest": _latest,
            "attributes": _attributes,
            "latest_values": _latest_values,
        },
        "history": {"series": _series},
        "entities": {
            "get": lambda id: _entity(id, False),
            "find": lambda entity_type, name: None if entity_type == "CUSTOMER" else _named(entity_type, name),
            "views": lambda entity, limit: [view for viewed, view in platform.views if viewed == entity][:limit],
            "tenant": lambda: platform.tenant,
        },
        "customers": {
            "get": lambda id: _entity(id, True),
            "find": lambda title: _named("CUSTOMER", title),
            "of": _customer_of,
        },
        "relations": {
            "of": _related,
            "exists": lambda source, target, relation_type: (source, relation_type, target) in platform.relations,
        },
        "alarms": {
            "get": lambda id: _text(next((one for one in platform.alarms if one["id"]["id"] == id), None)),
            "active": lambda originator, alarm_type: _text(
                next((one for one in _active(originator) if one["type"] == alarm_type), None)
            ),
            "all_active": lambda originator, limit: [json.dumps(one) for one in _active(originator)[:limit]],
        },
        "credentials": {"of": lambda device: platform.credentials.get(device.id)},
        "metrics": {"add": _count, "set": lambda name, value: platform.figures.update({name: value})},
        "state": {
            "get": lambda key: platform.state.get(key),
            "set": _keep,
            "delete": lambda key: platform.state.pop(key, None),
            "keys": lambda prefix: sorted(key for key in platform.state if key.startswith(prefix)),
        },
        "timers": {
            "set": lambda name, delay_ms: platform.timers.update({name: delay_ms}),
            "cancel": lambda name: platform.timers.pop(name, None),
        },
    }
    for interface, replaced in functions.items():
        module = importlib.import_module(f"wit_world.imports.{interface}")
        for name, function in replaced.items():
            setattr(module, name, function)


_install()
