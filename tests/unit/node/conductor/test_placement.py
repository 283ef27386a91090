"""Where clients are sent, as far as they may know of the room that they ask about."""

from __future__ import annotations

from typing import Final

import msgspec

from membership.members.snapshot import ClusterView
from node.http.candidates import CandidateQuery
from session import RoomDirectory
from session.directory import define_room
from signalling.client.admission import SessionRequest
from signalling.ids import DeviceId, NodeId, RoomId, UserId
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.membership.places import member
from tests.unit.node.conductor.house import HERE, ROOM, THERE, open_house

CLUSTER: Final = ClusterView(own_id=HERE, members={NodeId(name): member(name) for name in (HERE, THERE)})
ELSEWHERE: Final = RoomId("nobody-made-this")
OWNER: Final = UserId("us_owner")


async def define(repository: MemoryRepository, **rules: object) -> None:
    """Another node makes the room: this one has never heard of it."""
    definition = msgspec.structs.replace(define_room(ROOM, max_participants=9, now_ms=0), owner=OWNER, **rules)
    await RoomDirectory(repository, max_rooms=10).create(definition)


# --- sessions -------------------------------------------------------------------------------


async def test_a_node_that_is_emptied_takes_back_its_own_and_sends_on_the_others(autojump_clock: object) -> None:
    async with open_house(view=CLUSTER) as house:
        ada = await house.enter("Ada", "de_ada_at_home")
        await ada.join()
        house.conductor.standing.draining = True
        new = await house.conductor.session_place(CandidateQuery(), SessionRequest(name="Bob"))
        assert new.left_out is not None
        assert (new.left_out.code, [one.node for one in new.nodes]) == ("draining", [THERE])
        back = SessionRequest(name="Ada", device=DeviceId("de_ada_at_home"))
        assert (await house.conductor.session_place(CandidateQuery(), back)).left_out is None


async def test_a_room_that_may_not_live_here_is_heeded_by_sessions(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await define(repository, residency=("eu",))
    in_eu = member(THERE, region="eu")
    cluster = ClusterView(own_id=HERE, members={HERE: member(HERE, region="us"), THERE: in_eu})
    async with open_house(repository=repository, view=cluster) as house:
        place = await house.conductor.session_place(CandidateQuery(room=ROOM), SessionRequest())
        assert place.better is not None
        assert place.left_out is not None
        assert (place.better.node, place.left_out.code) == (THERE, "residency")
