"""Lines for the tenant's eyes: interface `log`. Natively they go to the test, see `testing.lines`."""

from wit_world.imports import log as _contract

Level = _contract.Level


def debug(text: str) -> None:
    """For the author."""
    _contract.log(Level.DEBUG, text)


def info(text: str) -> None:
    """For the tenant."""
    _contract.log(Level.INFO, text)


def warn(text: str) -> None:
    """Something unexpected."""
    _contract.log(Level.WARN, text)


def error(text: str) -> None:
    """Something is wrong."""
    _contract.log(Level.ERROR, text)
