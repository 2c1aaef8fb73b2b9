"""Write rule nodes for Pacificsoft.

A node type is a class derived from `Node`; a component is a package of them, made with `export`. Interfaces that a node may use are
submodules: `from pacificsoft_sdk import log, clock, readings, history, entities, customers, relations, alarms, metrics`. A component can touch only what it imports; writes are not calls, they are
effects in what `process` answers.

The records are those of the contract, generated from `wit/` by `python -m pacificsoft_build types`.
"""

from pacificsoft_sdk.message import Message
from pacificsoft_sdk.node import Node
from pacificsoft_sdk.outcome import (
    Answer,
    EntityId,
    Reject,
    by_id,
    by_name,
    content,
    effect,
    emit,
    end,
    forward,
    http_request,
    identity,
    payload,
    proxy,
    publish,
    secret,
    tls,
)
from pacificsoft_sdk.package import export

__all__ = [
    "Answer",
    "EntityId",
    "Message",
    "Node",
    "Reject",
    "by_id",
    "by_name",
    "content",
    "effect",
    "emit",
    "end",
    "export",
    "forward",
    "http_request",
    "identity",
    "payload",
    "proxy",
    "publish",
    "secret",
    "tls",
]
