"""The tenant's alarms, in the form of the REST API: interface `alarms`."""

from __future__ import annotations

import json as _json
from typing import Any

from wit_world.imports import alarms as _contract
from wit_world.imports.entity import EntityId


def get(id: str) -> dict[str, Any] | None:
    """One alarm, by the UUID of its id."""
    return _parsed(_contract.get(id))


def active(originator: EntityId, alarm_type: str) -> dict[str, Any] | None:
    """The alarm of a type that is not cleared."""
    return _parsed(_contract.active(originator, alarm_type))


def all_active(originator: EntityId, limit: int = 100) -> list[dict[str, Any]]:
    """The alarms of an entity that are not cleared, 100 at most."""
    return [_json.loads(text) for text in _contract.all_active(originator, limit)]


def _parsed(text: str | None) -> dict[str, Any] | None:
    return None if text is None else _json.loads(text)
