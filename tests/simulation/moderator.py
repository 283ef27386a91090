"""A moderator: locks the room, bans and kicks people, changes the policy, and takes all of it back in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from session.directory import define_room
from signalling.client.admission import SessionRequest
from signalling.client.rooms import BanRequest, KickRequest, RoomPatch
from signalling.errors import Refused
from signalling.ids import DeviceId, UserId, participant_id
from tests.simulation.person import ROOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from session import RoomDirectory
    from tests.simulation.faulty_store import FaultyStore
    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.universe import Universe

__all__ = ["ORDERS", "Moderator"]

OWNER: Final = UserId("moderator")

ORDERS: Final = ("lock", "unlock", "ban", "lift", "kick", "reject", "replace")

AGAIN: Final = 30
"""How often an order that was refused is given: its node may not see into the room, or is dead."""


@dataclass
class Moderator:
    """Gives orders on whatever node is there.

    Args:
        universe: gives the dice, and is told what holds.
        nodes: all of them.
        store: what they share.
    """

    universe: Universe
    nodes: Sequence[SimulatedNode]
    store: FaultyStore

    def __post_init__(self) -> None:
        self._dice = self.universe.dice("moderator")

    async def open_room(self, directory: RoomDirectory) -> None:
        """Make the room, before anybody joins it."""
        await directory.create(define_room(ROOM, max_participants=self.universe.cap, owner=OWNER, now_ms=0))

    async def order(self, what: str, user: UserId) -> bool:
        """Give one order; says whether it was taken."""
        alive = [node for node in self.nodes if node.is_alive]
        self.universe.is_moderated = True
        try:
            await self._order(what, user, self._dice.choice(alive))
        except (Refused, IndexError) as refused:
            self.universe.tell("moderator", f"{what} {user} is refused: {refused}")
            return False
        self.universe.tell("moderator", f"{what} {user}")
        return True

    async def take_back(self, users: Sequence[UserId]) -> None:
        """Let everybody in again."""
        for what, user in (("unlock", OWNER), ("replace", OWNER), *(("lift", user) for user in users)):
            for _ in range(AGAIN):
                if await self.order(what, user):
                    break
                await trio.sleep(1.0)

    async def _order(self, what: str, user: UserId, node: SimulatedNode) -> None:
        conductor = node.conductor
        assert conductor is not None
        request = SessionRequest(token=node.user_token(OWNER), device=DeviceId("moderators-own"))
        token = (await conductor.create_session(request)).token
        desk = conductor.room_desk
        match what:
            case "lock" | "unlock":
                await desk.patch(token, ROOM, RoomPatch(locked=what == "lock"), revisions=None)
                self.universe.locked_at = trio.current_time() if what == "lock" else None
            case "reject" | "replace":
                await desk.patch(token, ROOM, RoomPatch(on_join=what), revisions=None)
            case "ban":
                self.universe.banned[user] = trio.current_time()
                await desk.ban(token, ROOM, user, BanRequest(ban_s=None))
            case "lift":
                self.universe.banned.pop(user, None)
                await desk.lift_ban(token, ROOM, user)
            case _:
                seen = [info for info in node.rooms.snapshot(ROOM) if info.user == user]
                for info in seen:
                    seats = [
                        seat
                        for seat in self.store.seats(ROOM)
                        if participant_id(ROOM, user, seat.device) == info.participant
                    ]
                    await desk.kick(token, ROOM, info.participant, KickRequest())
                    self.universe.kicked |= {(seat.session, seat.attempt): trio.current_time() for seat in seats}
