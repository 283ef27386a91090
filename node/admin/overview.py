"""All of a node for one screen: how it is, its members, links and rooms, and how much it has to do."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import msgspec

from node.admin.reports import Links, Members, StatusReport
from node.admin.rtts import Rtts

if TYPE_CHECKING:
    from node.conductor import Conductor
    from sfu import Engine
    from signalling.ids import RoomId

MAX_ROOMS: Final = 50
"""The fullest; no terminal shows more."""


class RoomReport(msgspec.Struct, frozen=True, kw_only=True):
    """One room with people on this node.

    Attributes:
        room: Its name.
        here: Participants on this node.
        everywhere: Participants on all nodes.
        tracks: What they publish, all of them.
        nodes: Where they are, in order.
    """

    room: str
    here: int
    everywhere: int
    tracks: int
    nodes: tuple[str, ...]


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is to do; what only grows tells a rate between two readings.

    Attributes:
        at_ms: Monotonic clock of the machine, ms: of no use but for rates.
        rooms: With people here, all of them.
        participants: On this node, in all rooms.
        peers: Transports of clients and links.
        busy_ms: Time that the engine's workers spent in turns since they started, ms, all together.
        workers: Of the engine.
        bytes_in: From clients and links that are there now, since each came.
        bytes_out: To them.
        engine_bytes: Resident memory of the engine.
        load_1m: The machine's load average over a minute.
        cores: That it has.
    """

    at_ms: int
    rooms: int
    participants: int
    peers: int = 0
    busy_ms: int = 0
    workers: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    engine_bytes: int = 0
    load_1m: float
    cores: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment; ``rooms`` are the fullest ones, ``rtts`` those of the node itself."""

    status: StatusReport
    members: Members
    links: Links
    rtts: Rtts
    rooms: tuple[RoomReport, ...]
    load: LoadReport


async def look_over(
    *, status: StatusReport, members: Members, links: Links, rtts: Rtts, conductor: Conductor, engine: Engine
) -> Overview:
    """Add rooms and load to the rest."""
    live = conductor.stage.rooms
    rooms = tuple(sorted((_room(conductor, status.node, room) for room in live.live_rooms()), key=_fullest_first))
    return Overview(
        status=status,
        members=members,
        links=links,
        rtts=rtts,
        rooms=rooms[:MAX_ROOMS],
        load=await _load(rooms, engine),
    )


def _room(conductor: Conductor, me: str, room: RoomId) -> RoomReport:
    people = conductor.stage.rooms.snapshot(room)
    return RoomReport(
        room=room,
        here=sum(one.node == me for one in people),
        everywhere=len(people),
        tracks=sum(len(one.tracks) for one in people),
        nodes=tuple(sorted({one.node for one in people})),
    )


def _fullest_first(room: RoomReport) -> tuple[int, str]:
    return -room.everywhere, room.room


async def _load(rooms: tuple[RoomReport, ...], engine: Engine) -> LoadReport:
    from sfu import EngineLostError  # whoever asks imports this module, and needs no engine for it

    load = LoadReport(
        at_ms=round(time.monotonic() * 1000),
        rooms=sum(room.here > 0 for room in rooms),
        participants=sum(room.here for room in rooms),
        load_1m=round(os.getloadavg()[0], 2),
        cores=os.cpu_count() or 1,
    )
    try:
        read = await engine.statistics()
    except EngineLostError:  # it is being replaced
        return load
    return msgspec.structs.replace(
        load,
        peers=len(read.peers),
        busy_ms=sum(worker.busy_ms for worker in read.workers),
        workers=len(read.workers),
        bytes_in=sum(peer.bytes_in for peer in read.peers),
        bytes_out=sum(peer.bytes_out for peer in read.peers),
        engine_bytes=read.memory_bytes,
    )
