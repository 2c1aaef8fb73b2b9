"""What the tenant has: interface `entities`. Customers are in `customers`."""

from __future__ import annotations

from wit_world.imports import entities as _contract
from wit_world.imports.entity import EntityId

EntityInfo = _contract.EntityInfo
EntityView = _contract.EntityView


def get(id: EntityId) -> EntityInfo | None:
    """One entity."""
    return _contract.get(id)


def find(entity_type: str, name: str) -> EntityId | None:
    """The entity of a type and name."""
    return _contract.find(entity_type, name)


def views(entity: EntityId, limit: int = 100) -> list[EntityView]:
    """Views of an entity: what of it somebody is shown. 100 at most."""
    return _contract.views(entity, limit)


def tenant() -> EntityId:
    """The tenant that the component runs for."""
    return _contract.tenant()
