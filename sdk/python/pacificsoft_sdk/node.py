"""Rule nodes: the class an author derives from. One object is one node of one chain."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from pacificsoft_sdk import schema
from pacificsoft_sdk.message import Message
from pacificsoft_sdk.outcome import Answer


@dataclass
class Nothing:
    """The configuration of a node that has none."""


class Node:
    """A type of rule nodes. Says in class attributes what people and the server know of it; `wit/rule-node.wit` explains them."""

    #: Name inside the component, in kebab case. Empty: made of the class's name.
    type_name: ClassVar[str] = ""
    #: Ids under which rule-chain files may name the type; the first one is written.
    class_ids: ClassVar[list[str]] = []
    #: Name people see. Empty: made of the type's name.
    title: ClassVar[str] = ""
    #: `FILTER`, `ENRICHMENT`, `TRANSFORMATION`, `ACTION`, `EXTERNAL` or `FLOW`.
    family: ClassVar[str] = "ACTION"
    #: One sentence. Empty: the first line of the class's documentation.
    description: ClassVar[str] = ""
    #: More help. Empty: the other lines of the class's documentation.
    details: ClassVar[str] = ""
    #: Name of a Material icon, or empty.
    icon: ClassVar[str] = ""
    #: Relations that messages can leave along, `Failure` among them.
    relations: ClassVar[list[str]] = ["Success", "Failure"]
    #: Whether a configuration can add relations.
    custom_relations: ClassVar[bool] = False
    #: Effects the type may answer with, by their names in the contract.
    effects: ClassVar[list[str]] = []
    #: A dataclass: becomes the JSON Schema of the configuration and the configuration of a new node.
    Configuration: ClassVar[type] = Nothing
    #: Version of the configuration's form.
    version: ClassVar[int] = 0
    #: Names the form of what the node keeps in `state`, such as `averages/1`. Empty: it keeps nothing.
    state_schema: ClassVar[str] = ""
    #: Name of a timer that is due as soon as a node begins to serve with no timer set. Empty: none. Needs a `state_schema`.
    start_timer: ClassVar[str] = ""
    #: Whether nodes of the type decide by what they have saved, such as the details of an alarm. In one chain, no message is handed to a
    #: node of such a type before the effects are done that such nodes have asked for with the messages of the same originator before it.
    in_turn: ClassVar[bool] = False
    #: False for types that only make messages: no connection leads to their nodes.
    takes_messages: ClassVar[bool] = True

    #: The node's own configuration, an object of `Configuration`.
    configuration: Any

    def open(self) -> None:
        """Prepares the node; `self.configuration` is set. Raise `ValueError` to refuse the configuration, saying what is wrong."""

    def process(self, message: Message) -> Answer:
        """Decides about one message. An exception fails it: it leaves along `Failure`."""
        raise NotImplementedError

    def on_timer(self, name: str, message: Message) -> Answer:
        """A timer is due, and is not set any more. In hand is a message made for it: type `TIMER`, an empty payload."""
        raise NotImplementedError(f"the timer {name} is due, and on_timer is not there")

    @classmethod
    def upgrade(cls, from_version: int, configuration: Any) -> Any:
        """Brings a configuration of an older version, parsed, to the present one."""
        return configuration

    @classmethod
    def opened(cls, configuration: Any) -> "Node":
        """A node with a configuration, parsed from JSON. Raises `ValueError` when it is refused."""
        node = cls()
        node.configuration = schema.read(cls.Configuration, configuration)
        node.open()
        return node

    @classmethod
    def name(cls) -> str:
        """Name of the type inside the component."""
        return cls.type_name or "-".join(re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", cls.__name__)).lower()

    @classmethod
    def documentation(cls) -> tuple[str, str]:
        """One sentence, and more help."""
        first, _, rest = (inspect.cleandoc(cls.__doc__ or "")).partition("\n")
        return cls.description or first, cls.details or rest.strip()
