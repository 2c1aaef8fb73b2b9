"""What the tenant's devices log in with: interface `credentials`. The permission has to be granted."""

from __future__ import annotations

from wit_world.imports import credentials as _contract
from wit_world.imports.entity import EntityId

DeviceCredentials = _contract.DeviceCredentials


def of(device: EntityId) -> DeviceCredentials | None:
    """Those of a device."""
    return _contract.of(device)
