"""What the tenant has: interface `entities`. Customers are in `customers`."""

from __future__ import annotations

from wit_world.imports import entities as _contract
from wit_world.imports.entity import EntityId

EntityInfo = _contract.EntityInfo


def get(id: EntityId) -> EntityInfo | None:
    """One entity."""
    return _contract.get(id)


def find(entity_type: str, name: str) -> EntityId | None:
    """The entity of a type and name."""
    return _contract.find(entity_type, name)


def tenant() -> EntityId:
    """The tenant that the component runs for."""
    return _contract.tenant()
