"""A room whose placement is `gather`, on two real nodes: its people come together, and nobody is seen to leave."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
import trio

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from signalling.client.messages import ChatMessage, ParticipantJoined, ParticipantLeft
from signalling.client.seat import Away, Ended, Seated, open_seat
from signalling.ids import RoomId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from signalling.client.seat import RoomSeat, SeatEvent

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("round-table")
SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {"mesh": {"warm_links": 1}, "rooms": {"placement": "gather"}}
DEADLINE_S: Final = 60.0

LEAVES_NOBODY_S: Final = 5.0
"""Looks at the room, several, in which somebody who insists could be led away."""


async def test_people_of_a_room_come_together_and_nobody_is_seen_to_leave() -> None:
    """Ada and Bob end up on one node, the same participants as before, and hear each other; Cy insists and stays."""
    async with open_cluster(STAGES[:2], settings=SETTINGS) as cluster, AsyncExitStack() as stack:
        near, far = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        told: dict[str, list[SeatEvent]] = defaultdict(list)

        async def enter(name: str, node: str, *, insist: bool = False) -> RoomSeat:
            seat = await stack.enter_async_context(open_seat([node], ROOM, name=name, insist=insist))
            nursery.start_soon(_listen, seat, told[name])
            return seat

        ada = await enter("Ada", near)
        cy = await enter("Cy", far, insist=True)
        bob = await enter("Bob", far)
        seats = {"Ada": ada, "Bob": bob, "Cy": cy}

        def node_of(name: str) -> str:
            client = seats[name].client
            return "" if client is None else client.welcome.node

        await _until(lambda: bool(told["Ada"]) and node_of("Ada") == node_of("Bob") == SINGAPORE)
        await trio.sleep(LEAVES_NOBODY_S)
        assert {name: node_of(name) for name in seats} == dict.fromkeys(seats, SINGAPORE)

        plan = await _plan(far)
        assert (plan["policy"], plan["node"], plan["reason"]) == ("gather", SINGAPORE, "policy")
        assert plan["decided_by"] == SINGAPORE, "nobody sits in Amsterdam any more"
        assert {one["node"] for one in plan["weighed"]} == {None, SINGAPORE}
        assert await _plan(near) is None, "it knows nothing of a room without people there"

        for name, seat in seats.items():
            await seat.chat(f"{name} is here")
        for name in seats:
            await _until(partial(_has_heard, told[name], {f"{other} is here" for other in seats if other != name}))
            assert len(_seen_joining(told[name])) == len(set(_seen_joining(told[name])))
            assert not [one for one in told[name] if isinstance(one, ParticipantLeft | Away | Ended)]

        first, again = (one for one in told["Ada"] if isinstance(one, Seated))
        assert (again.resumed, again.moved) == (True, True)
        assert again.joined.participant == first.joined.participant
        assert sum(isinstance(one, Seated) for one in told["Bob"] + told["Cy"]) == 2


async def test_who_insists_on_another_node_stays_there_and_hears_the_others() -> None:
    """Most are in Amsterdam; Dan is led there from Singapore, Cy is not."""
    async with open_cluster(STAGES[:2], settings=SETTINGS) as cluster:
        near, far = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
        async with (
            open_seat([near], ROOM, name="Ada"),
            open_seat([near], ROOM, name="Bob"),
            open_seat([far], ROOM, name="Cy", insist=True) as cy,
            open_seat([far], ROOM, name="Dan") as dan,
            trio.open_nursery() as nursery,
        ):
            told: list[SeatEvent] = []
            nursery.start_soon(_listen, cy, told)
            nursery.start_soon(_listen, dan, [])
            await _until(lambda: dan.client is not None and dan.client.welcome.node == AMSTERDAM)
            await dan.chat("I came to the others")
            await _until(lambda: "I came to the others" in _said(told))
            assert cy.client is not None
            assert cy.client.welcome.node == SINGAPORE
            assert not [one for one in told if isinstance(one, ParticipantLeft | Away | Ended)]
            nursery.cancel_scope.cancel()


async def _plan(node: str) -> Any:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{node}/v1/explain/placement?room={ROOM}")).json()["plan"]


async def _listen(seat: RoomSeat, told: list[SeatEvent]) -> None:
    async for event in seat.events:
        told.append(event)
        if isinstance(event, Seated) and event.moved:
            seat.carried()  # there is no media to wait for


async def _until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not holds():
            await trio.sleep(0.05)


def _has_heard(told: list[SeatEvent], texts: set[str]) -> bool:
    return texts <= _said(told)


def _said(told: list[SeatEvent]) -> set[str]:
    return {one.text for one in told if isinstance(one, ChatMessage)}


def _seen_joining(told: list[SeatEvent]) -> list[str]:
    return [one.participant.participant for one in told if isinstance(one, ParticipantJoined)]
