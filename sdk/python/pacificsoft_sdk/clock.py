"""The time of day: interface `clock`."""

from wit_world.imports import clock as _contract


def now_ms() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return _contract.now_ms()
