"""The glue between node types and the contract: what a component exports. Traps are silent, so every exception is turned into text here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.nodes import Descriptor
from wit_world.imports import answer as _answer
from wit_world.imports import outcome as _outcome

from pacificsoft_sdk import schema
from pacificsoft_sdk.message import Message
from pacificsoft_sdk.node import Node
from pacificsoft_sdk.outcome import Answer, Reject, is_effect

#: What `process` returns when the answer was handed over.
HANDED_OVER = 0x7FFF_FFFF

_MESSAGE = Message()


class _Opened:
    """The node that this instance is, once it is opened. Outside of the class: the host makes an object for each call."""

    node: Node | None = None
    numbers: dict[str, int] = {}


def export(*types: type[Node]) -> type[exports.Nodes]:
    """Makes a package of node types: `Nodes = export(TypeA, TypeB)`, once in a component, at the top of its module, by this name."""
    by_name = {one.name(): one for one in types}

    def find(type_name: str) -> type[Node]:
        if type_name not in by_name:
            raise Err(f"the component has no node type {type_name}")
        return by_name[type_name]

    class Nodes(exports.Nodes):
        """What the host calls."""

        def describe(self) -> list[Descriptor]:
            return [descriptor(one) for one in types]

        def upgrade(self, type_name: str, from_version: int, configuration: str) -> str:
            return refusing(lambda: json.dumps(find(type_name).upgrade(from_version, json.loads(configuration))))

        def open(self, type_name: str, configuration: str) -> None:
            kind = find(type_name)
            _Opened.node = refusing(lambda: kind.opened(json.loads(configuration)))
            _Opened.numbers = {name: number for number, name in enumerate(kind.relations)}

        def process(self) -> int:
            return answering(lambda node: node.process(_MESSAGE))

        def on_timer(self, name: str) -> int:
            return answering(lambda node: node.on_timer(name, _MESSAGE))

    return Nodes


def answering(work: Callable[[Node], Answer]) -> int:
    """Lets the node decide; what it answers becomes the contract's."""
    try:
        if _Opened.node is None:
            raise Reject("the node was not opened")
        decided = work(_Opened.node)
        if type(decided) is str and decided in _Opened.numbers:
            return _Opened.numbers[decided]
        _answer.decide(outcome(decided))
    except Exception as error:  # whatever the author's code raises
        _answer.fail(reason(error))
    return HANDED_OVER


def descriptor(kind: type[Node]) -> Descriptor:
    """What people and the server know of a node type, in the form of the contract."""
    description, details = kind.documentation()
    return Descriptor(
        type_name=kind.name(),
        class_ids=list(kind.class_ids),
        title=kind.title or kind.name().replace("-", " "),
        family=kind.family,
        description=description,
        details=details,
        icon=kind.icon,
        relations=list(kind.relations),
        custom_relations=kind.custom_relations,
        configuration_schema=json.dumps(schema.schema(kind.Configuration)),
        default_configuration=json.dumps(schema.defaults(kind.Configuration)),
        version=kind.version,
        effects=list(kind.effects),
        state_schema=kind.state_schema,
        extensions=_extensions(kind),
    )


def _extensions(kind: type[Node]) -> list[tuple[str, str]]:
    said = [
        ("start-timer", kind.start_timer),
        ("in-turn", "originator" if kind.in_turn else ""),
        ("input", "" if kind.takes_messages else "none"),
    ]
    return [(key, value) for key, value in said if value]


def outcome(decided: Any) -> _outcome.Outcome:
    """What `process` answered, in the form of the contract."""
    if isinstance(decided, str):
        return _outcome.Outcome_Steps(_outcome.Steps([], [_outcome.Emission(decided, None)]))
    if is_effect(decided):
        return _outcome.Outcome_Effect(decided)
    if isinstance(decided, _outcome.Steps):
        return _outcome.Outcome_Steps(decided)
    several = decided if isinstance(decided, list) else [decided]
    steps = _outcome.Steps([], [])
    for one in several:
        if is_effect(one):
            steps.effects.append(one)
        elif isinstance(one, _outcome.Emission):
            steps.emissions.append(one)
        elif isinstance(one, str):
            steps.emissions.append(_outcome.Emission(one, None))
        else:
            raise Reject(f"process answered with {one!r}: that is no relation, effect or emission")
    return _outcome.Outcome_Steps(steps)


def reason(error: Exception) -> str:
    """An exception in words. A node's own `Reject` and `ValueError` speak for themselves."""
    text = str(error)
    return text if isinstance(error, (Reject, ValueError)) and text else f"{type(error).__name__}: {text}"


def refusing(work: Any) -> Any:
    """Runs something; an exception becomes the contract's error."""
    try:
        return work()
    except Err:
        raise
    except Exception as error:  # whatever the author's code raises
        raise Err(reason(error)) from None
