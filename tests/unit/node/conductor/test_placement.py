"""Where clients are sent, as far as they may know of the room that they ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import trio

from membership.members.snapshot import ClusterView
from node.http.candidates import CandidateQuery, PlacementExplained
from session import RoomDirectory
from session.directory import Access, define_room
from session.grants import ALL_BUT_ADMIN, Grants
from signalling.client.admission import SessionRequest
from signalling.client.messages import Join
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, NodeId, RoomId, UserId
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.membership.places import member
from tests.unit.node.conductor.house import HERE, ROOM, THERE, open_house

if TYPE_CHECKING:
    from tests.unit.node.conductor.house import House

CLUSTER: Final = ClusterView(own_id=HERE, members={NodeId(name): member(name) for name in (HERE, THERE)})
ELSEWHERE: Final = RoomId("nobody-made-this")
OWNER: Final = UserId("us_owner")


async def define(repository: MemoryRepository, **rules: object) -> None:
    """Another node makes the room: this one has never heard of it."""
    definition = msgspec.structs.replace(define_room(ROOM, max_participants=9, now_ms=0), owner=OWNER, **rules)
    await RoomDirectory(repository, max_rooms=10).create(definition)


def session_token(house: House, user: UserId, grants: Grants = ALL_BUT_ADMIN) -> str:
    return house.tokens.issue_session(user=user, device=DeviceId("de_12345678"), name="Somebody", grants=grants)


async def explained(house: House, room: RoomId, token: str | None = None) -> PlacementExplained:
    return await house.conductor.explain_placement(CandidateQuery(room=room, session_token=token))


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


# --- rooms that are not open ----------------------------------------------------------------


@pytest.mark.parametrize("access", [Access.INVITE, Access.PIN])
async def test_where_a_room_lives_that_is_not_open_is_told_as_of_one_that_nobody_made(
    access: Access, autojump_clock: object
) -> None:
    repository = MemoryRepository()
    await define(repository, access=access, pin_hash="x" if access is Access.PIN else "", residency=("eu",))
    async with open_house(repository=repository, view=CLUSTER) as house:
        owner = await house.enter_with(session_token(house, OWNER))
        house.conductor._entry._may_live_here = lambda _: True
        await owner.ask(Join(room=ROOM, attempt=1))
        unknown = await explained(house, ELSEWHERE)
        for token in (None, (await house.enter("Stranger")).token):
            told = await explained(house, ROOM, token)
            assert msgspec.structs.replace(told, room=ELSEWHERE) == unknown
            assert told.room == ROOM
            asked = CandidateQuery(room=ROOM, session_token=token)
            assert await house.conductor.candidates(asked) == unknown.nodes
            place = await house.conductor.session_place(asked, SessionRequest())
            assert place == await house.conductor.session_place(CandidateQuery(room=ELSEWHERE), SessionRequest())


async def test_its_people_its_owner_and_administrators_are_told(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await define(repository, access=Access.INVITE)
    async with open_house(repository=repository, view=CLUSTER) as house:
        owner = await house.enter_with(session_token(house, OWNER))
        await owner.join()
        admin = session_token(house, UserId("us_admin"), Grants(admin=True))
        for token in (owner.token, session_token(house, OWNER), admin):
            assert (await explained(house, ROOM, token)).room_nodes == (HERE,)
        named = house.tokens.issue_user(user=OWNER, name="Owner")
        place = await house.conductor.session_place(CandidateQuery(room=ROOM), SessionRequest(token=named))
        assert place.left_out is None


async def test_an_open_room_is_told_to_anybody(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await define(repository)
    async with open_house(repository=repository, view=CLUSTER) as house:
        ada = await house.enter("Ada")
        await ada.join()
        assert (await explained(house, ROOM)).room_nodes == (HERE,)


async def test_a_token_that_does_not_hold_is_refused(autojump_clock: object) -> None:
    async with open_house(view=CLUSTER) as house:
        with pytest.raises(Refused) as refused:
            await explained(house, ROOM, "forged")
        assert refused.value.code is ErrorCode.TOKEN_INVALID


async def test_the_store_is_asked_alike_about_a_room_that_is_not_open_and_one_that_nobody_made(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Also where it lives here, and the definition is known."""
    repository = MemoryRepository()
    await define(repository, access=Access.INVITE)
    async with open_house(repository=repository, view=CLUSTER) as house:
        owner = await house.enter_with(session_token(house, OWNER))
        await owner.join()
        directory = house.sessions.definitions._directory
        asked: list[RoomId] = []
        find = directory.find

        async def noted(room: RoomId) -> object:
            asked.append(room)
            await trio.sleep(0.1)
            return await find(room)

        monkeypatch.setattr(directory, "find", noted)
        for room in (ROOM, ELSEWHERE):
            began = trio.current_time()
            await explained(house, room)
            assert trio.current_time() - began == pytest.approx(0.1)
        assert asked == [ROOM, ELSEWHERE]
