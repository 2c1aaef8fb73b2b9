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
