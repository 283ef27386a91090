"""Samples of seats, short enough to read in a table."""

from __future__ import annotations

from session.records import SessionRecord
from session.store import RoomPolicy, Seat, slot_of
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, UserId

ROOM = RoomId("hall")
USER = UserId("ann")


def seat(
    session: str,
    attempt: int,
    *,
    device: str = "laptop-01",
    node: str = "n1",
    user: str = USER,
    room: str = ROOM,
    policy: RoomPolicy = RoomPolicy.REPLACE,
    epoch: int = 0,
    provisional: bool = False,
) -> Seat:
    return Seat(
        room=RoomId(room),
        slot=slot_of(policy, UserId(user), DeviceId(device)),
        user=UserId(user),
        device=DeviceId(device),
        session=SessionId(session),
        attempt=attempt,
        node=NodeId(node),
        epoch=epoch,
        provisional=provisional,
    )


def record(session: str, *, device: str = "laptop-01", node: str = "n1", user: str = USER) -> SessionRecord:
    return SessionRecord(
        session=SessionId(session),
        user=UserId(user),
        device=DeviceId(device),
        name="Ann",
        node=NodeId(node),
        region="here",
    )
