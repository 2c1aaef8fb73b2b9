"""The tenant's customers: interface `customers`."""

from __future__ import annotations

from wit_world.imports import customers as _contract
from wit_world.imports.entities import EntityInfo
from wit_world.imports.entity import EntityId


def get(id: EntityId) -> EntityInfo | None:
    """One customer."""
    return _contract.get(id)


def find(title: str) -> EntityId | None:
    """The customer of a title."""
    return _contract.find(title)


def of(entity: EntityId) -> EntityInfo | None:
    """The customer that an entity is assigned to."""
    return _contract.of(entity)
