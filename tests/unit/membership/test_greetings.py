"""Greetings: two readings for one, a bounded number for many, and one word for each agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio

from membership.greetings import AGAIN_S, EVENT_NAME, Greetings
from membership.rpc.errors import RemoteRpcError
from membership.rpc.records import UserEvent

if TYPE_CHECKING:
    from trio.testing import MockClock

    from membership.rpc.client import SerfClient


def event(name: str = EVENT_NAME) -> UserEvent:
    return UserEvent(name=name, payload=b"ada-1", lamport_time=1)


async def test_who_says_hello_is_looked_for_twice(autojump_clock: MockClock) -> None:
    read: list[float] = []
    greetings = Greetings(lambda: read.append(trio.current_time()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(greetings.run)
        await trio.sleep(1)
        began = trio.current_time()
        assert greetings.take(event())
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert [round(at - began, 3) for at in read] == [0, AGAIN_S]


async def test_a_flood_costs_a_bounded_number_of_readings(autojump_clock: MockClock) -> None:
    read: list[float] = []
    greetings = Greetings(lambda: read.append(trio.current_time()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(greetings.run)
        for _ in range(1000):
            greetings.take(event())
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert greetings.heard == 1000
    assert len(read) <= 2 * (10 / AGAIN_S + 1)


async def test_other_events_are_left_to_others() -> None:
    greetings = Greetings(lambda: None)
    assert not greetings.take(event("s"))
    assert greetings.heard == 0


class Mouth:
    """Takes events, or refuses them."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self._refuses = refuses

    async def send_event(self, name: str, payload: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self._refuses:
            raise RemoteRpcError("event", "too large")
        self.sent.append((name, payload))


async def test_each_agent_is_told_of_once() -> None:
    greetings, mouth = Greetings(lambda: None), Mouth()
    for name in ("ada-1", "ada-1", "ada-2"):
        await greetings.greet(cast("SerfClient", mouth), name)
    assert mouth.sent == [(EVENT_NAME, b"ada-1"), (EVENT_NAME, b"ada-2")]


async def test_an_agent_that_refuses_ends_nothing() -> None:
    await Greetings(lambda: None).greet(cast("SerfClient", Mouth(refuses=True)), "ada-1")
