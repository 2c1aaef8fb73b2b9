"""What a node remembers: interface `state`, for types that have a `state_schema`.

It survives restarts, and new versions with the same `state_schema`. A write counts if the call in which it is made succeeds. Limits: keys of
256 bytes, values of 64 KiB, 1 000 keys and 1 MiB in all; what exceeds them raises `ValueError`.
"""

from __future__ import annotations

from componentize_py_types import Err
from wit_world.imports import state as _contract


def get(key: str) -> bytes | None:
    """The value of a key."""
    return _contract.get(key)


def set(key: str, value: bytes) -> None:
    """Sets a value."""
    try:
        _contract.set(key, value)
    except Err as error:
        raise ValueError(str(error.value)) from None


def delete(key: str) -> None:
    """Removes a key, if it is there."""
    _contract.delete(key)


def keys(prefix: str = "") -> list[str]:
    """Keys that start with a prefix, sorted."""
    return _contract.keys(prefix)
