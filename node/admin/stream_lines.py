"""The lines of an answer that streams."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

Source: TypeAlias = Literal["node", "agent"]


class StreamOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be streamed of logs; of events it is all that comes.

    Attributes:
        level: The least important kind of line.
        sources: Whose logs.
    """

    level: Level = "info"
    sources: tuple[Source, ...] = ("node", "agent")


class EventLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """A change of the members, as :class:`membership.HistoryEntry` says it.

    Attributes:
        number: Grows by one with each since the node started.
        at_ms: Wall clock of the node, milliseconds since 1970.
        kind: ``appeared``, ``back`` (the same boot: it never died), ``changed``, ``failed``, ``left``, ``refused``.
        node: The stable id; of a refused member its Serf name.
        serf_name: The name in gossip.
        detail: What changed, or why.
    """

    number: int
    at_ms: int
    kind: str
    node: str
    serf_name: str
    detail: str


class LogLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="log"):
    """A line of a log.

    Attributes:
        at: When, ISO 8601 in UTC; of a line of the agent that has no time, when it came.
        source: Whose.
        level: How important.
        text: What happened.
        fields: What belongs to it.
    """

    at: str
    source: Source
    level: Level
    text: str
    fields: dict[str, str | int | float | bool | None] = {}


class Lost(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="lost"):
    """So many lines were not sent, because they came faster than they were read, or are no longer kept."""

    lines: int


class Note(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="note"):
    """Something about the stream itself."""

    message: str


class Alive(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="alive"):
    """Nothing happened, and the node is there."""


class StreamRefused(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="refused"):
    """There is no such stream, and why; the last line."""

    code: str
    message: str


StreamLine: TypeAlias = EventLine | LogLine | Lost | Note | Alive | StreamRefused
