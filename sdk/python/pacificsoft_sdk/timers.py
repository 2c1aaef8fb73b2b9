"""Timers: interface `timers`. The host calls `on_timer` when one is due. They are kept with the node's state and need a `state_schema`."""

from __future__ import annotations

from componentize_py_types import Err
from wit_world.imports import timers as _contract


def set(name: str, delay_ms: int) -> None:
    """Sets a timer, or sets it anew. A hundred at most, 400 days at most; what exceeds that raises `ValueError`."""
    try:
        _contract.set(name, delay_ms)
    except Err as error:
        raise ValueError(str(error.value)) from None


def cancel(name: str) -> None:
    """Cancels a timer, if it is set."""
    _contract.cancel(name)
