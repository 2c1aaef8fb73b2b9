"""The message in hand: the one a node decides about.

The host owns it and has parsed its JSON. Each method is a call into the host: read what you need, once.

A *path* names a place in the payload. Empty: all of it. Starting with `/`: a JSON Pointer (RFC 6901). Anything else: a key of the
top-level object.
"""

from __future__ import annotations

import json as _json
from typing import Any

from wit_world.imports import message as _contract
from wit_world.imports.entity import EntityId
from wit_world.imports.json import Shape


class Message:
    """Reads the message in hand."""

    __slots__ = ()

    def kind(self) -> str:
        """Message type, such as `POST_TELEMETRY_REQUEST`."""
        return _contract.kind()

    def originator(self) -> EntityId:
        """The entity the message comes from."""
        return _contract.originator()

    def timestamp(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return _contract.timestamp()

    def metadata(self, key: str) -> str | None:
        """One metadata value."""
        return _contract.metadata(key)

    def metadata_entries(self) -> list[tuple[str, str]]:
        """All metadata, sorted by key."""
        return _contract.metadata_entries()

    def shape(self, path: str) -> Shape:
        """What stands at a path."""
        return _contract.shape_at(path)

    def number(self, path: str) -> float | None:
        """The number at a path."""
        return _contract.number(path)

    def integer(self, path: str) -> int | None:
        """The whole number at a path."""
        return _contract.integer(path)

    def boolean(self, path: str) -> bool | None:
        """The boolean at a path."""
        return _contract.boolean(path)

    def text(self, path: str) -> str | None:
        """The text at a path."""
        return _contract.text(path)

    def keys(self, path: str = "") -> list[str]:
        """The keys of the object at a path."""
        return _contract.keys(path)

    def length(self, path: str = "") -> int:
        """Elements of the array, or members of the object, at a path."""
        return _contract.length(path)

    def json(self, path: str = "") -> str | None:
        """What stands at a path, as JSON text."""
        return _contract.json(path)

    def value(self, path: str = "") -> Any:
        """What stands at a path, parsed; `None` when there is nothing. Parsing takes the guest's time: prefer `number`, `text`, …"""
        text = self.json(path)
        return None if text is None else _json.loads(text)
