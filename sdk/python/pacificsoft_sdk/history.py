"""Time series of the tenant's entities as they were: interface `history`."""

from __future__ import annotations

import json as _json
from typing import Any

from wit_world.imports import history as _contract
from wit_world.imports.entity import EntityId


def series(
    entity: EntityId, key: str, *, from_ms: int = 0, to_ms: int = (1 << 63) - 1, limit: int = 100, newest_first: bool = False
) -> list[tuple[int, Any]]:
    """Readings with `from_ms <= time < to_ms`, 1 000 at most: times in milliseconds, and values."""
    found = _contract.series(entity, key, _contract.Span(from_ms, to_ms, limit, newest_first))
    return [(ts, _json.loads(text)) for ts, text in found]
