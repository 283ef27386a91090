"""What a moderator on one real node decides reaches those whom it concerns on two others, and needs no link for it."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
import pytest
import trio

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES, VIRGINIA
from signalling.client.messages import (
    MuteAsked,
    ParticipantJoined,
    ParticipantLeft,
    RoomChanged,
    SeatLost,
    TrackIntent,
    TrackPublished,
)
from signalling.client.refusal import RefusedByNodeError
from signalling.ids import DeviceId, NodeId, ParticipantId, RoomId, TrackId, UserId
from tests.cluster.aiortc_peer import open_aiortc_peer
from tests.cluster.processes import descendants, program
from tests.cluster.ring import DEADLINE_S, POLL_S, open_ring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from signalling.client.connection import Client
    from signalling.client.messages import Joined, NodeEvent
    from tests.cluster.ring import Ring

pytestmark = pytest.mark.cluster

T = TypeVar("T")

ADA, BOB, CAL = UserId("us_ada"), UserId("us_bob"), UserId("us_cal")
HALL, ATTIC = RoomId("hall"), RoomId("attic")

RENEWED_S: Final = 4.0
"""A renewal of seats, 2.5 s, and the time for a busy machine to tell of it."""


@dataclass
class Guest:
    """Somebody with a socket, who notes what they hear."""

    ring: Ring
    node: NodeId
    client: Client
    events: list[NodeEvent] = field(default_factory=list)
    me: ParticipantId | None = None
    attempts: int = 0

    async def join(self, room: RoomId) -> Joined:
        self.attempts += 1
        joined = await self.client.join(room, attempt=self.attempts)
        self.me = joined.participant
        return joined

    async def listen(self) -> None:
        async for event in self.client.events:
            self.events.append(event)

    async def hear(
        self, kind: type[T], holds: Callable[[T], bool] = lambda _: True, *, within_s: float = DEADLINE_S
    ) -> T:
        """What they hear next of a kind, or have heard since they were last asked; it is used up."""
        with trio.fail_after(within_s):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and holds(event):
                        self.events.remove(event)
                        return event
                await trio.sleep(POLL_S)

    async def rest(self, method: str, path: str, body: object = None, *, node: NodeId | None = None) -> tuple[int, Any]:
        """A request with their session token, at their own node or another."""
        url = f"{self.ring.cluster.at(node or self.node).url}/v1/rooms{path}"
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S) as http:
            answer = await http.request(
                method, url, headers={"Authorization": f"Bearer {self.client.token}"}, json=body
            )
        return answer.status_code, answer.json() if answer.content else None


def _is_of(guest: Guest) -> Callable[[ParticipantJoined], bool]:
    return lambda event: event.participant.participant == guest.me


@dataclass
class Party:
    """Ada, who decides, and whom it concerns: each on a node of their own."""

    ada: Guest
    bob: Guest
    cal: Guest

    @property
    def all(self) -> tuple[Guest, Guest, Guest]:
        return self.ada, self.bob, self.cal

    async def gather(self, room: RoomId) -> None:
        """Make a room of Ada's and let all come in and see each other."""
        assert (await self.ada.rest("POST", "", {"room": room}))[0] == 201
        there: list[Guest] = []
        for guest in self.all:
            joined = await guest.join(room)
            seen = {info.participant for info in joined.participants}
            for other in there:
                await other.hear(ParticipantJoined, _is_of(guest))
                if other.me not in seen:
                    await guest.hear(ParticipantJoined, _is_of(other))
            there.append(guest)

    async def all_hear_of(self, changed: Callable[[RoomChanged], bool]) -> None:
        for guest in self.all:
            await guest.hear(RoomChanged, changed)


@asynccontextmanager
async def open_party() -> AsyncIterator[Party]:
    async with open_ring(STAGES) as ring, AsyncExitStack() as stack:
        guests = []
        for node, user in ((AMSTERDAM, ADA), (SINGAPORE, BOB), (VIRGINIA, CAL)):
            client = await stack.enter_async_context(ring.open(node, user, DeviceId(f"laptop-of-{user}")))
            guests.append(Guest(ring, node, client))
        async with trio.open_nursery() as nursery:
            for guest in guests:
                nursery.start_soon(guest.listen)
            yield Party(*guests)
            nursery.cancel_scope.cancel()


async def test_decisions_reach_people_on_other_nodes() -> None:
    async with open_party() as party:
        await party.gather(HALL)
        await _mute(party)
        await _lock_and_change(party)
        await _pass_on(party)
        await _kick_and_ban(party)
        await _delete(party)


async def test_what_is_decided_while_no_link_carries_it_ends_seats_within_a_renewal() -> None:
    async with open_party() as party:
        await party.gather(HALL)
        for guest, by_rest in ((party.bob, False), (party.cal, True)):
            with _deaf_engine(party.ada.ring, guest.node):
                began = trio.current_time()
                if by_rest:
                    assert (await party.ada.rest("POST", f"/{HALL}/participants/{guest.me}/kick", {}))[0] == 204
                else:
                    assert guest.me is not None
                    await party.ada.client.kick(guest.me)
                assert (await guest.hear(SeatLost, within_s=RENEWED_S)).reason == "kicked"
                print(f"kicked without a link after {trio.current_time() - began:.2f} s")  # noqa: T201
        await party.ada.client.leave()
        await party.gather(ATTIC)
        with _deaf_engine(party.ada.ring, party.bob.node):
            assert (await party.ada.rest("DELETE", f"/{ATTIC}"))[0] == 204
            assert (await party.bob.hear(SeatLost, within_s=RENEWED_S)).reason == "room_deleted"


async def _mute(party: Party) -> None:
    """Whoever publishes is asked by name of the track; the SDK of that person decides."""
    ada, bob, _ = party.all
    async with open_aiortc_peer() as peer:
        sdp, kinds = await peer.offer()
        (mid,) = (mid for mid, kind in kinds.items() if kind == "audio")
        intents = tuple(
            TrackIntent(mid=mid, kind="video", source="camera")
            if kind == "video"
            else TrackIntent(mid=mid, kind="audio", source="microphone")
            for mid, kind in kinds.items()
        )
        track = TrackId((await bob.client.publish(sdp=sdp, tracks=intents)).tracks[mid])
        for guest in (ada, party.cal):
            await guest.hear(TrackPublished, lambda event: event.track.track == track)
        assert bob.me is not None
        await ada.client.ask_mute(bob.me, track)
        assert await bob.hear(MuteAsked) == MuteAsked(by=ada.me, track=track)
        status, _ = await ada.rest("POST", f"/{HALL}/participants/{bob.me}/mute", {"track": track})
        assert status == 204
        assert (await bob.hear(MuteAsked)).track == track
        # Whoever is no moderator asks for nothing.
        with pytest.raises(RefusedByNodeError) as refused:
            await party.cal.client.ask_mute(bob.me, track)
        assert refused.value.code == "not_permitted"


async def _lock_and_change(party: Party) -> None:
    await party.ada.client.lock_room(locked=True)
    await party.all_hear_of(lambda event: event.locked)
    assert (await party.ada.rest("PATCH", f"/{HALL}", {"locked": False}))[0] == 200
    await party.all_hear_of(lambda event: not event.locked)
    # From a node that is not the moderator's own.
    changes = {"metadata": {"title": "The hall"}, "max_participants": 7}
    assert (await party.ada.rest("PATCH", f"/{HALL}", changes, node=VIRGINIA))[0] == 200
    await party.all_hear_of(lambda event: event.metadata == changes["metadata"] and event.max_participants == 7)


async def _pass_on(party: Party) -> None:
    """A new owner decides, on their own node; the one before does not any more."""
    assert (await party.ada.rest("PATCH", f"/{HALL}", {"owner": BOB}))[0] == 200
    await party.all_hear_of(lambda event: event.owner == BOB)
    with pytest.raises(RefusedByNodeError) as refused:
        await party.ada.client.lock_room(locked=True)
    assert refused.value.code == "not_permitted"
    assert (await party.bob.rest("PATCH", f"/{HALL}", {"owner": ADA}))[0] == 200
    await party.all_hear_of(lambda event: event.owner == ADA)


async def _kick_and_ban(party: Party) -> None:
    """A kick ends the seat and lets its person come again; a ban does not. Both are seen by the third."""
    ada, bob, cal = party.all
    assert cal.me is not None
    await ada.client.kick(cal.me)
    await _has_gone(cal, before=(ada, bob))
    await cal.join(HALL)
    for guest in (ada, bob):
        await guest.hear(ParticipantJoined)
    # Who came back stays: the kick is remembered, and was of the seat before.
    await trio.sleep(RENEWED_S)
    assert not any(isinstance(event, SeatLost) for event in cal.events)
    assert (await ada.rest("POST", f"/{HALL}/participants/{cal.me}/kick", {}))[0] == 204
    await _has_gone(cal, before=(ada, bob))
    for by_rest in (True, False):
        await cal.join(HALL)
        for guest in (ada, bob):
            await guest.hear(ParticipantJoined)
        if by_rest:
            assert (await ada.rest("POST", f"/{HALL}/participants/{cal.me}/kick", {"ban_s": 60}))[0] == 204
        else:
            await ada.client.kick(cal.me, ban_s=60)
        await _has_gone(cal, before=(ada, bob))
        with pytest.raises(RefusedByNodeError) as refused:
            await cal.join(HALL)
        assert refused.value.code == "banned"
        assert (await ada.rest("DELETE", f"/{HALL}/bans/{CAL}"))[0] == 204
    await cal.join(HALL)


async def _has_gone(guest: Guest, *, before: tuple[Guest, ...]) -> None:
    assert (await guest.hear(SeatLost)).reason == "kicked"
    for other in before:
        left = await other.hear(ParticipantLeft)
        # Links say who is there, not why somebody is not: to a third node it is a leave.
        assert (left.participant, left.reason) == (guest.me, "left")


async def _delete(party: Party) -> None:
    assert (await party.ada.rest("DELETE", f"/{HALL}"))[0] == 204
    for guest in party.all:
        assert (await guest.hear(SeatLost)).reason == "room_deleted"
    status, answer = await party.ada.rest("GET", f"/{HALL}")
    assert (status, answer["error"]["code"]) == (404, "room_unknown")


@contextmanager
def _deaf_engine(ring: Ring, node: NodeId) -> Iterator[None]:
    """Stop the node's engine: what others send it over links is lost, and another engine does not hear it again."""
    (engine,) = (pid for pid in descendants(ring.cluster.at(node).process.pid) if program(pid) == "starling-sfu")
    os.kill(engine, signal.SIGSTOP)
    try:
        yield
    finally:
        # It may have been replaced.
        with suppress(ProcessLookupError):
            os.kill(engine, signal.SIGCONT)
