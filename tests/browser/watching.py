"""Somebody at a node who notes, from the wire, who comes and goes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from signalling.client.admission import create_session
from signalling.client.connection import open_client
from signalling.client.messages import ParticipantJoined, ParticipantLeft

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from signalling.client.connection import Client
    from signalling.ids import ParticipantId, RoomId

NEWS_DEADLINE_S = 30.0


@dataclass(kw_only=True)
class Watch:
    """What one node told.

    Attributes:
        me: The watcher.
        seen: ``joined`` and ``left`` with the name of whom and the id, in order.
        present: Who is there now, by id.
        worst: How many of one name were there at once, at most.
    """

    me: ParticipantId
    seen: list[tuple[str, str, ParticipantId]] = field(default_factory=list)
    present: dict[ParticipantId, str] = field(default_factory=dict)
    worst: dict[str, int] = field(default_factory=dict)
    changed: trio.Event = field(default_factory=trio.Event)

    def take(self, event: object) -> None:
        """Note one event of the node."""
        match event:
            case ParticipantJoined(participant=info):
                assert info.participant not in self.present, f"{info.name} came twice"
                self.present[info.participant] = info.name
                count = sum(name == info.name for name in self.present.values())
                self.worst[info.name] = max(self.worst.get(info.name, 0), count)
                self.seen.append(("joined", info.name, info.participant))
            case ParticipantLeft(participant=who):
                assert who in self.present, f"{who} went, who was not there"
                self.seen.append(("left", self.present.pop(who), who))
            case _:
                return
        self.changed.set()
        self.changed = trio.Event()

    def names(self) -> list[str]:
        """Who is there now."""
        return sorted(self.present.values())

    async def wait_names(self, *names: str) -> None:
        """Wait until exactly these people are there."""
        with trio.move_on_after(NEWS_DEADLINE_S):
            while self.names() != sorted(names):
                await self.changed.wait()
        assert self.names() == sorted(names)


@asynccontextmanager
async def open_watch(url: str, room: RoomId, *, name: str) -> AsyncIterator[Watch]:
    """Watch a room from that node for the length of the block."""
    grant = await create_session(url, name=name)
    async with open_client(grant.session_url, token=grant.token) as client, trio.open_nursery() as nursery:
        joined = await client.join(room, attempt=1)
        watch = Watch(me=joined.participant)
        watch.present = {info.participant: info.name for info in joined.participants}
        nursery.start_soon(_note, client, watch)
        yield watch
        nursery.cancel_scope.cancel()


async def _note(client: Client, watch: Watch) -> None:
    async for event in client.events:
        watch.take(event)
    raise AssertionError(f"the watcher lost its node: {client.lost}")
