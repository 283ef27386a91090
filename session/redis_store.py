"""A seat store for a cluster, in Redis: store.py's rule as one Lua script, one run per change.

Every key of a room carries one hash tag, so that a sharded Redis keeps them together:

- `starling:{<cluster>:<room>}:seat:<slot>`: a hash, the seat and the slot's highest epoch;
- `starling:{<cluster>:<room>}:ended:<user>`: a hash, the tombstones of a user's devices;
- `starling:{<cluster>:<room>}:index`: a sorted set of the room's live seats by expiry;
- `starling:{<cluster>:<room>}:documents`: a hash of the repository's, read here for the room's revision and its bans;
- `starling:{<cluster>:<room>}:evicted`: a hash, up to which epoch seats end at their next renewal.

Leases go by Redis' own clock. They are stored in the record, and keys outlive them, so that
tombstones and epochs survive a lapsed seat.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from durable.errors import StoreUnavailableError
from durable.redis_connection import RedisConnection, ScriptCall
from session.store import RoomRules, Seat, SeatAnswer, Verdict, other_slot_of, user_slot
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, participant_id

if TYPE_CHECKING:
    from session.config import SessionConfig
    from signalling.ids import ParticipantId, UserId

__all__ = ["RedisSeatStore", "seat_script"]

MAX_SEATS_EACH_TRIP: Final = 500
"""Some 20 ms of one round trip (measured: 10,000 seats at once take 430 ms, longer than a call may)."""

NO_RULES: Final = RoomRules(cap=0)
"""For changes that no rule of a room is asked about."""


def seat_script() -> str:
    """The text of seats.lua."""
    return files("session").joinpath("seats.lua").read_text("utf-8")


class RedisSeatStore:
    """See :class:`session.store.SeatStore`.

    Args:
        connection: to Redis.
        cluster: name of the cluster, part of every key.
        lease_s: how long a seat stands without a renewal.
        tombstone_s: how long ended attempts and epochs are remembered after the last change.
        script: another text of the script, for a test that keeps the time itself.
    """

    def __init__(
        self,
        connection: RedisConnection,
        *,
        cluster: str,
        lease_s: float,
        tombstone_s: float,
        script: str | None = None,
    ) -> None:
        self._connection = connection
        self._cluster = cluster
        self._lease_ms = round(lease_s * 1000)
        self._keep_ms = round(tombstone_s * 1000)
        self._script = seat_script() if script is None else script

    @classmethod
    def from_config(cls, connection: RedisConnection, config: SessionConfig) -> RedisSeatStore:
        """The store that a node's settings describe."""
        return cls(connection, cluster=config.cluster, lease_s=config.lease_s, tombstone_s=config.tombstone_s)

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        """See :meth:`SeatStore.claim`."""
        call = self.call("claim", seat, rules, silent=silent, with_nodes=True)
        (reply,) = await self._connection.run_script(self._script, (call,))
        return self.read(reply)

    async def touch(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.touch`."""
        return await self._change("touch", seats)

    async def assert_seats(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.assert_seats`."""
        return await self._change("assert", seats)

    async def release(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.release`."""
        return await self._change("release", seats)

    async def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        """See :meth:`SeatStore.nodes_of`."""
        arguments = ("nodes", "", "", 0, "", 0, "", self._lease_ms, self._keep_ms, 1, "", 0, "", "")
        call = ScriptCall(self._keys(room, "", "", ""), arguments)
        (reply,) = await self._connection.run_script(self._script, (call,))
        return self.read(reply).nodes

    async def evict(
        self, room: RoomId, *, participant: ParticipantId | None = None, user: UserId | None = None
    ) -> None:
        """See :meth:`SeatStore.evict`."""
        await self._connection.run_script(self._script, (self.eviction(room, participant, user),))

    async def _change(self, op: str, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        answers: list[SeatAnswer] = []
        for first in range(0, len(seats), MAX_SEATS_EACH_TRIP):
            answers += await self._change_some(op, seats[first : first + MAX_SEATS_EACH_TRIP])
        return tuple(answers)

    async def _change_some(self, op: str, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        # The index is walked once per room: its last seat in the pipeline asks for the nodes of all.
        last_of_room = {seat.room: number for number, seat in enumerate(seats)}
        calls = tuple(
            self.call(op, seat, with_nodes=last_of_room[seat.room] == number) for number, seat in enumerate(seats)
        )
        answers = [self.read(reply) for reply in await self._connection.run_script(self._script, calls)]
        nodes = {room: answers[number].nodes for room, number in last_of_room.items()}
        return tuple(
            replace(answer, nodes=nodes[seat.room] - {seat.node}) for seat, answer in zip(seats, answers, strict=True)
        )

    def call(
        self,
        op: str,
        seat: Seat,
        rules: RoomRules = NO_RULES,
        *,
        silent: SessionId | None = None,
        with_nodes: bool,
    ) -> ScriptCall:
        """One run of the script for one seat."""
        other_slot = other_slot_of(seat)
        return ScriptCall(
            self._keys(seat.room, seat.slot, seat.user, other_slot),
            (
                op,
                seat.session,
                seat.device,
                seat.attempt,
                seat.node,
                seat.epoch,
                seat.slot,
                self._lease_ms,
                self._keep_ms,
                int(with_nodes),
                seat.user,
                int(seat.in_grace),
                other_slot,
                participant_id(seat.room, seat.user, seat.device),
                rules.revision,
                rules.cap,
                int(rules.locked),
                rules.policy,
                silent or "",
            ),
        )

    def eviction(self, room: RoomId, participant: ParticipantId | None, user: UserId | None) -> ScriptCall:
        """One run of the script that evicts."""
        slot = "" if user is None else user_slot(user)
        keep = (self._lease_ms, self._keep_ms)
        arguments = ("evict", "", "", 0, "", 0, slot, *keep, 0, user or "", 0, "", participant or "")
        return ScriptCall(self._keys(room, slot, user or "", ""), arguments)

    @staticmethod
    def read(reply: list[bytes]) -> SeatAnswer:
        """What one run of the script answered.

        Raises:
            StoreUnavailableError: it is not what our script says; another version or another program is in our keys.
        """
        try:
            verdict, epoch, by_session, by_node, by_device, highest, *nodes = (item.decode() for item in reply)
            return SeatAnswer(
                verdict=Verdict(verdict),
                epoch=int(epoch),
                by_session=SessionId(by_session) if by_session else None,
                by_node=NodeId(by_node) if by_node else None,
                by_device=DeviceId(by_device) if by_device else None,
                highest_attempt=int(highest),
                nodes=frozenset(NodeId(node) for node in nodes),
            )
        except (ValueError, AttributeError, TypeError) as error:
            raise StoreUnavailableError("the store answered something that is not ours") from error

    def _keys(self, room: str, slot: str, user: str, other_slot: str) -> tuple[str, ...]:
        prefix = f"starling:{{{self._cluster}:{room}}}"
        return (
            f"{prefix}:seat:{slot}",
            f"{prefix}:ended:{user}",
            f"{prefix}:index",
            f"{prefix}:documents",
            f"{prefix}:seat:{other_slot}",
            f"{prefix}:evicted",
        )
