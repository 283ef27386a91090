"""Typed records of what the agent says.

The agent is ours and is taken at its word about shapes: another shape is a `BrokenRpcError`.  What its *peers*
wrote (names, tags, addresses, payloads) can be anything: bytes that are not UTF-8 become backslash escapes,
an address of odd length becomes an empty text.
"""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from membership.distance.estimate import NetworkCoordinate
from membership.rpc.errors import BrokenRpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Gap",
    "KeyringAnswer",
    "MemberEvent",
    "QueryAcknowledged",
    "QueryAnswer",
    "QueryEvent",
    "SerfMember",
    "SerfStats",
    "StreamRecord",
    "UnknownRecord",
    "UserEvent",
    "read_coordinate",
    "read_joined",
    "read_keyring_answer",
    "read_log_line",
    "read_members",
    "read_query_record",
    "read_record",
    "read_stats",
]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class SerfMember:
    """A member as the agent lists it.

    Attributes:
        name: its Serf name.
        address: IP address as text, empty if it is none.
        port: gossip port.
        tags: its tags.
        status: `alive`, `leaving`, `left`, `failed` or `none`.
    """

    name: str
    address: str
    port: int
    tags: Mapping[str, str]
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberEvent:
    """Members changed; `kind` is `member-join`, `-leave`, `-failed`, `-update` or `-reap`."""

    kind: str
    members: tuple[SerfMember, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UserEvent:
    """A user event; there is no sender, and `lamport_time` can be forged: never an order."""

    name: str
    payload: bytes
    lamport_time: int


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryEvent:
    """Another node, or this one, asks; `id` is what `respond` wants to know."""

    id: int
    name: str
    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryAnswer:
    """One answer to a query of ours; the Serf name of its sender can be forged."""

    sender: str
    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryAcknowledged:
    """A node has our query, whatever it will answer; the Serf name of its sender can be forged."""

    sender: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownRecord:
    """A record of a kind we have no use for."""

    kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """So many records were lost here since the last gap: whoever follows members reads them anew."""

    lost: int


StreamRecord = MemberEvent | UserEvent | QueryEvent | UnknownRecord | Gap


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyringAnswer:
    """What the agents of the cluster made of a command about gossip keys.

    Attributes:
        nodes: living agents, as the asked one counts them.
        answered: of these, how many answered in time.
        failed: of these, how many could not do it.
        messages: what the agents that could not say, by Serf name.
        keys: in how many keyrings each key is, in base64; only of `list-keys`.
    """

    nodes: int
    answered: int
    failed: int
    messages: Mapping[str, str]
    keys: Mapping[str, int]

    @property
    def is_complete(self) -> bool:
        """Whether every agent did it."""
        return self.failed == 0 and self.answered >= self.nodes


@dataclass(frozen=True, kw_only=True, slots=True)
class SerfStats:
    """The agent's own gauges.

    Attributes:
        event_queue: user events waiting to be gossiped; < 10 is healthy, > 100 is over the cluster's budget.
        intent_queue: joins and leaves waiting to be gossiped.
        query_queue: queries waiting to be gossiped.
        health_score: 0 is healthy; grows while the agent itself is too slow to answer probes.
        is_encrypted: whether it has a gossip key.
        agent_name: its own Serf name.
    """

    event_queue: int
    intent_queue: int
    query_queue: int
    health_score: int
    is_encrypted: bool
    agent_name: str


def read_members(body: object) -> tuple[SerfMember, ...]:
    """The answer to `members` and `members-filtered`."""
    return tuple(_member(each) for each in _list(_field(_map(body), b"Members", object)))


def read_joined(body: object) -> int:
    """The answer to `join`: how many addresses were reached."""
    return _field(_map(body), b"Num", int)


def read_stats(body: object) -> SerfStats:
    """The answer to `stats`, whose values are all texts."""
    sections = _map(body)
    serf = _map(_field(sections, b"serf", object))

    def gauge(name: bytes) -> int:
        text = _field(serf, name, bytes)
        if not text.isdigit() or len(text) > 18:
            raise BrokenRpcError(f"stats: {name!r} is {text[:40]!r}")
        return int(text)

    return SerfStats(
        event_queue=gauge(b"event_queue"),
        intent_queue=gauge(b"intent_queue"),
        query_queue=gauge(b"query_queue"),
        health_score=gauge(b"health_score"),
        is_encrypted=_field(serf, b"encrypted", bytes) == b"true",
        agent_name=_text(_field(_map(_field(sections, b"agent", object)), b"name", bytes)),
    )


def read_keyring_answer(body: object) -> KeyringAnswer:
    """The answer to `install-key`, `use-key`, `remove-key` and `list-keys`, also when they are refused."""
    fields = _map(body)
    messages, keys = fields.get(b"Messages"), fields.get(b"Keys")
    counts: dict[str, int] = {}
    for key, count in ({} if keys is None else _map(keys)).items():
        if type(count) is not int:
            raise BrokenRpcError(f"expected a count of keyrings, got {type(count).__name__}")
        counts[_text(key)] = count
    return KeyringAnswer(
        nodes=_field(fields, b"NumNodes", int),
        answered=_field(fields, b"NumResp", int),
        failed=_field(fields, b"NumErr", int),
        messages=MappingProxyType(
            {_text(k): _text(v) for k, v in ({} if messages is None else _map(messages)).items()}
        ),
        keys=MappingProxyType(counts),
    )


def read_log_line(body: object) -> str:
    """One record of a `monitor`."""
    return _text(_field(_map(body), b"Log", bytes)).rstrip("\n")


def read_coordinate(body: object) -> NetworkCoordinate | None:
    """The answer to `get-coordinate`; None for a node that was never probed, or whose numbers are none."""
    fields = _map(body)
    if not _field(fields, b"Ok", bool):
        return None
    coordinate = _map(_field(fields, b"Coord", object))
    vector = tuple(_number(each) for each in _list(_field(coordinate, b"Vec", object)))
    height, adjustment, error = (_number(coordinate.get(name)) for name in (b"Height", b"Adjustment", b"Error"))
    if not all(math.isfinite(each) for each in (*vector, height, adjustment, error)):
        return None
    return NetworkCoordinate(vector=vector, height=height, adjustment=adjustment, error=error)


def read_record(body: object) -> StreamRecord:
    """One record of a `stream`."""
    fields = _map(body)
    kind = _text(_field(fields, b"Event", bytes))
    if kind.startswith("member-"):
        return MemberEvent(kind=kind, members=read_members(fields))
    if kind == "user":
        return UserEvent(
            name=_text(_field(fields, b"Name", bytes)),
            payload=_optional_bytes(fields.get(b"Payload")),
            lamport_time=_field(fields, b"LTime", int),
        )
    if kind == "query":
        return QueryEvent(
            id=_field(fields, b"ID", int),
            name=_text(_field(fields, b"Name", bytes)),
            payload=_optional_bytes(fields.get(b"Payload")),
        )
    return UnknownRecord(kind=kind)


def read_query_record(body: object) -> QueryAnswer | QueryAcknowledged | UnknownRecord | None:
    """One record of a `query`: an answer, an acknowledgement, None at its end, or one of no use (those of nobody)."""
    fields = _map(body)
    kind = _text(_field(fields, b"Type", bytes))
    if kind == "done":
        return None
    sender = _text(_field(fields, b"From", bytes))
    # The agent makes up records without a sender when the time is over.
    if kind == "ack" and sender:
        return QueryAcknowledged(sender=sender)
    if kind != "response" or not sender:
        return UnknownRecord(kind=kind)
    return QueryAnswer(sender=sender, payload=_optional_bytes(fields.get(b"Payload")))


def _member(body: object) -> SerfMember:
    fields = _map(body)
    return SerfMember(
        name=_text(_field(fields, b"Name", bytes)),
        address=_address(_optional_bytes(fields.get(b"Addr"))),
        port=_field(fields, b"Port", int),
        tags=_texts(fields.get(b"Tags")),
        status=_text(_field(fields, b"Status", bytes)),
    )


def _address(raw: bytes) -> str:
    if len(raw) not in (4, 16):
        return ""
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address if mapped is None else mapped)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    raise BrokenRpcError(f"expected a text, got {type(value).__name__}")


def _texts(value: object) -> Mapping[str, str]:
    # Go's empty map is nil.
    return MappingProxyType({_text(k): _text(v) for k, v in ({} if value is None else _map(value)).items()})


def _optional_bytes(value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    raise BrokenRpcError(f"expected bytes, got {type(value).__name__}")


def _number(value: object) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    raise BrokenRpcError(f"expected a number, got {type(value).__name__}")


def _map(value: object) -> dict[object, object]:
    if isinstance(value, dict):
        return value
    raise BrokenRpcError(f"expected a map, got {type(value).__name__}")


def _list(value: object) -> list[object]:
    if value is None:  # Go's empty slice
        return []
    if isinstance(value, list):
        return value
    raise BrokenRpcError(f"expected a list, got {type(value).__name__}")


def _field(fields: Mapping[object, object], name: bytes, kind: type[T]) -> T:
    if name not in fields:
        raise BrokenRpcError(f"field {name!r} is missing")
    value = fields[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BrokenRpcError(f"field {name!r} is a {type(value).__name__}")
    return value
