"""What an operator asks about tracks: which there are, and how one gets here; and of a room whether it gathers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from node.explain import TrackExplained
from node.http.candidates import PlanShown
from signalling.client.messages import MediaKind
from signalling.errors import ErrorCode, Refused
from signalling.ids import NodeId, ParticipantId, RoomId, TrackId

if TYPE_CHECKING:
    from node.admin.protocol import TrackOrder
    from node.conductor import Conductor

MAX_LISTED: Final = 4096
"""Tracks of one answer: as many as legs go over one link."""


class KnownTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A track of a room that has people here."""

    track: TrackId
    kind: MediaKind
    room: RoomId
    publisher: ParticipantId
    node: NodeId


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The track, the room or the list; ``code`` says why there is none of them."""

    explained: TrackExplained | None = None
    plan: PlanShown | None = None
    tracks: tuple[KnownTrack, ...] = ()
    code: str = ""
    message: str = ""


async def explain(conductor: Conductor, order: TrackOrder) -> Explained:
    """Explain it, or list all."""
    if order.room:
        plan = conductor.explain_plan(RoomId(order.room))
        if plan is None:
            return Explained(code=ErrorCode.ROOM_UNKNOWN, message="Nobody who is connected here sits in that room.")
        return Explained(plan=plan)
    if not order.track:
        return Explained(tracks=_known(conductor))
    try:
        return Explained(explained=await conductor.tracer.explain(TrackId(order.track)))
    except Refused as refused:
        return Explained(code=refused.code, message=refused.message)


def _known(conductor: Conductor) -> tuple[KnownTrack, ...]:
    rooms = conductor.stage.rooms
    found = [
        KnownTrack(track=track.track, kind=track.kind, room=room, publisher=who.participant, node=who.node)
        for room in sorted(rooms.live_rooms())
        for who in rooms.snapshot(room)
        for track in who.tracks
    ]
    return tuple(found[:MAX_LISTED])
