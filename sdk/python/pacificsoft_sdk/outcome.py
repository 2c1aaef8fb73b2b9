"""What a node answers: relations, changed messages, effects. The records are the contract's own."""

from __future__ import annotations

import json as _json
import re
import typing
from dataclasses import fields as _fields
from enum import Enum
from typing import Any, Union

from wit_world.imports import json as _json_contract
from wit_world.imports import outcome as _contract
from wit_world.imports.entity import EntityId

Content = _json_contract.Content
Effect = _contract.Effect
Emission = _contract.Emission
Steps = _contract.Steps

#: What `process` may answer: the name of a relation, one thing, or several in order.
Answer = Union[str, Emission, Effect, Steps, list[Union[Emission, Effect]]]


class Reject(Exception):
    """Raised by a node: the message cannot be processed and leaves along `Failure`, with the text as the reason."""


def content(value: Any) -> Content:
    """JSON made of a Python value."""
    return _json_contract.Content_Json(_json.dumps(value, separators=(",", ":"), allow_nan=False))


def payload(path: str = "") -> Content:
    """The part of the payload in hand at a path; empty: all of it. Costs no copy."""
    return _json_contract.Content_Payload(path)


def forward(relation: str) -> Emission:
    """The message itself leaves along a relation. Alone it is the same as answering with the relation's name."""
    return _contract.Emission(relation, None)


def emit(
    relation: str,
    value: Any = None,
    *,
    kind: str | None = None,
    originator: EntityId | None = None,
    metadata: dict[str, str] | None = None,
) -> Emission:
    """A changed message leaves along a relation. What is `None` stays as it was; `value` is a Python value or a `payload(…)`."""
    entries = None if metadata is None else list(metadata.items())
    return _contract.Emission(relation, _contract.NewMessage(kind, originator, entries, as_content(value)))


def end() -> Steps:
    """The message ends here, successfully."""
    return _contract.Steps([], [])


def effect(name: str, **given: Any) -> Effect:
    """An effect by its name in the contract, such as `save-time-series`, with its fields. What is left out is `None`, `False`, 0 or empty;
    JSON may be given as a Python value, one of several words as text."""
    case, record = _case(name)
    hints = typing.get_type_hints(record)
    unknown = given.keys() - hints.keys()
    if unknown:
        raise TypeError(f"the effect {name} has no {', '.join(sorted(unknown))}; it has {', '.join(hints)}")
    values = {field.name: _value(name, field.name, hints[field.name], given) for field in _fields(record)}
    return case(record(**values))


def secret(name: str) -> _contract.Piece:
    """The value of one of the tenant's secrets, by its name. The host puts it in when it sends something; no component ever sees it."""
    return _contract.Piece_Secret(name)


#: Text, or parts of one with secrets among them.
SecretText = Union[str, list[Union[str, _contract.Piece]]]


def http_request(
    method: str,
    url: SecretText,
    *,
    headers: dict[str, SecretText] | None = None,
    basic_auth: tuple[SecretText, SecretText] | None = None,
    body: Any = None,
    text: SecretText | None = None,
    timeout_ms: int = 0,
    response_bytes_max: int = 0,
    tls: Any = None,
    proxy: Any = None,
    accepted_if: str | None = None,
) -> Effect:
    """The effect `http-request`: a request to a server that the tenant's list names. `body` is JSON, `text` is text; of an answer of the
    200s the body becomes the payload, any other leaves along `Failure`. `tls`, `proxy`: see there. `accepted_if`: for servers that may refuse
    with the 200s, too, the JSON Pointer at which `true` stands if they do not, such as `/ok`; the message goes on as it was then."""
    sent = None if text is None and body is None else _body(body, text)
    entries = [(name, _pieces(value)) for name, value in (headers or {}).items()]
    limits = (timeout_ms, response_bytes_max)
    request = _contract.HttpRequest(method, _pieces(url), entries, _login(basic_auth), sent, *limits, tls, proxy, accepted_if)
    return _contract.Effect_HttpRequest(request)


def publish(
    broker: str,
    topic: str,
    *,
    body: Any = None,
    text: SecretText | None = None,
    basic_auth: tuple[SecretText, SecretText] | None = None,
    options: dict[str, str] | None = None,
    timeout_ms: int = 0,
    tls: Any = None,
    proxy: Any = None,
) -> Effect:
    """The effect `publish`: a payload for a topic of a broker that the tenant's list names, such as `mqtts://broker.example.org`. `body` is
    JSON, `text` is text. `options`: what a way of speaking has beyond that, such as `retain`. `tls`, `proxy`: see there."""
    given = list((options or {}).items())
    return _contract.Effect_Publish(_contract.Publish(broker, topic, _body(body, text), _login(basic_auth), given, timeout_ms, tls, proxy))


def tls(*, authorities: SecretText | None = None, identity: Any = None) -> Any:
    """What a conversation over TLS has of its own: whose certificates are believed, in PEM; who the client is, an `identity`."""
    return _contract.Tls(_pieces_or_none(authorities), identity)


def identity(certificates: SecretText, key: SecretText, *, password: SecretText | None = None) -> Any:
    """Who a client is, in PEM: its certificate, its private key, and the key's password, if it has one. A key without is faster."""
    return _contract.Identity(_pieces(certificates), _pieces(key), _pieces_or_none(password))


def proxy(address: str, *, basic_auth: tuple[SecretText, SecretText] | None = None) -> Any:
    """A server that passes requests and payloads on, such as `http://proxy.example.org:3128`. The tenant's list has to name it, too. Or
    `server:proxy`, the one that the server's operator has named."""
    return _contract.Proxy(address, _login(basic_auth))


def _body(body: Any, text: SecretText | None) -> Any:
    if text is not None:
        return _contract.RequestBody_Text(_pieces(text))
    return _contract.RequestBody_Content(content(None) if body is None else as_content(body))


def _login(basic_auth: tuple[SecretText, SecretText] | None) -> Any:
    return None if basic_auth is None else (_pieces(basic_auth[0]), _pieces(basic_auth[1]))


def _pieces_or_none(text: SecretText | None) -> list[_contract.Piece] | None:
    return None if text is None else _pieces(text)


def _pieces(text: SecretText) -> list[_contract.Piece]:
    parts = text if isinstance(text, list) else [text]
    return [_contract.Piece_Text(part) if isinstance(part, str) else part for part in parts]


def by_id(entity: EntityId) -> Any:
    """An entity that an effect is about, by its id."""
    return _contract.EntityRef_Id(entity)


def by_name(entity_type: str, name: str) -> Any:
    """An entity that an effect is about, by its type and name: looked up when the effect is performed."""
    return _contract.EntityRef_Named(_contract.EntityName(entity_type, name))


def as_content(value: Any) -> Content | None:
    """JSON, as the contract wants it."""
    if value is None or isinstance(value, (_json_contract.Content_Json, _json_contract.Content_Payload)):
        return value
    return content(value)


def is_effect(answer: Any) -> bool:
    """Whether something is an effect."""
    return type(answer).__name__.startswith("Effect_")


def effect_name(one: Effect) -> str:
    """The name of an effect in the contract."""
    words = re.findall("[A-Z][a-z0-9]*", type(one).__name__.removeprefix("Effect_"))
    return "-".join(words).lower()


_CASES: dict[str, tuple[type, type]] = {}


def _case(name: str) -> tuple[type, type]:
    """The class of an effect and of its record."""
    if name not in _CASES:
        case = getattr(_contract, "Effect_" + name.title().replace("-", ""), None)
        if case is None:
            known = (effect_name(object.__new__(one)) for one in typing.get_args(Effect))
            raise ValueError(f"there is no effect {name}; there are {', '.join(known)}")
        _CASES[name] = (case, typing.get_type_hints(case)["value"])
    return _CASES[name]


def _value(effect_: str, field: str, hint: Any, given: dict[str, Any]) -> Any:
    arguments = typing.get_args(hint)
    optional = type(None) in arguments
    is_json = _json_contract.Content_Json in arguments
    if field in given:
        value = given[field]
        words = [one for one in (hint, *arguments) if isinstance(one, type) and issubclass(one, Enum)]
        if words and isinstance(value, str):
            return words[0][value.upper().replace("-", "_")]
        return value if optional and value is None or not is_json else as_content(value)
    if optional:
        return None
    default = {bool: False, int: 0, float: 0.0, list: []}.get(typing.get_origin(hint) or hint)
    if default is None:
        raise TypeError(f"the effect {effect_} needs {field}")
    return default
