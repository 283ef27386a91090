"""Samples of seats, short enough to read in a table."""

from __future__ import annotations

from session.records import SessionRecord
from session.store import RoomPolicy, RoomRules, Seat, slot_of
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, UserId

ROOM = RoomId("hall")
USER = UserId("ann")


def by(
    cap: int,
    *,
    policy: RoomPolicy = RoomPolicy.REPLACE,
    locked: bool = False,
    grace_s: float | None = None,
    revision: int = 0,
) -> RoomRules:
    return RoomRules(cap=cap, policy=policy, locked=locked, grace_s=grace_s, revision=revision)


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
    in_grace: bool = False,
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
        in_grace=in_grace,
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
