"""Figures of the node's own, shown at `/metrics`: interface `metrics`. 20 names of `a` to `z`, digits and `_`."""

from __future__ import annotations

from wit_world.imports import metrics as _contract


def add(name: str, amount: int = 1) -> None:
    """Adds to a counter."""
    _contract.add(name, amount)


def set(name: str, value: float) -> None:
    """Sets a gauge."""
    _contract.set(name, value)
