"""Relations between the tenant's entities: interface `relations`."""

from __future__ import annotations

from wit_world.imports import relations as _contract
from wit_world.imports.entity import EntityId

Direction = _contract.Direction
Related = _contract.Related


def of(entity: EntityId, direction: Direction, relation_type: str | None = None, limit: int = 100) -> list[Related]:
    """Relations that start or end at an entity, 1 000 at most."""
    return _contract.of(entity, direction, relation_type, limit)


def exists(source: EntityId, target: EntityId, relation_type: str) -> bool:
    """Whether one entity is related to another."""
    return _contract.exists(source, target, relation_type)
