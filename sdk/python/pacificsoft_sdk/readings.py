"""Stored values of the tenant's entities: interface `readings`. Reads only: writes are effects."""

from __future__ import annotations

import json
from typing import Any

from wit_world.imports import readings as _contract
from wit_world.imports.entity import EntityId


def attribute(entity: EntityId, scope: str, key: str) -> Any:
    """An attribute, parsed; `None` when it is not set. Scope: `CLIENT_SCOPE`, `SHARED_SCOPE` or `SERVER_SCOPE`."""
    text = _contract.attribute(entity, scope, key)
    return None if text is None else json.loads(text)


def latest(entity: EntityId, key: str) -> tuple[int, Any] | None:
    """The latest value of a time series, parsed, with its time in milliseconds."""
    found = _contract.latest(entity, key)
    return None if found is None else (found[0], json.loads(found[1]))


def attributes(entity: EntityId, scope: str, keys: list[str]) -> dict[str, tuple[int, Any]]:
    """Several attributes at once, 100 at most: those that are set, by key, with the time of the last change."""
    return {key: (ts, json.loads(text)) for key, ts, text in _contract.attributes(entity, scope, keys)}


def latest_values(entity: EntityId, keys: list[str]) -> dict[str, tuple[int, Any]]:
    """Several latest values at once, 100 at most: those that there are, by key, with their times."""
    return {key: (ts, json.loads(text)) for key, ts, text in _contract.latest_values(entity, keys)}
