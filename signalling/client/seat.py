"""A seat in a room that outlives its connection, on Trio.

    nodes = ["http://127.0.0.1:7800", "http://127.0.0.1:7801"]
    async with open_device_file(path) as device, open_seat(nodes, RoomId("lobby"), name="Ada", device=device) as seat:
        async for event in seat.events:
            match event:
                case Seated(joined=joined): ...  # build peer connections for seat.client
                case Away(): ...  # they are gone; the room sees nothing if we are back soon enough
                case Offer(): ...

One task owns the connection: it connects, joins, passes events on, and when the connection breaks it comes back, as
:mod:`signalling.client.retry` decides. A second one sends what is written (:mod:`signalling.client.chat_queue`). A seat
that another device took is not fought for.

A node that is about to go, or knows a clearly nearer one, says where to go instead. Then the seat is taken there by a
second connection before the first one ends, so that media can be built up over the new one while the old one still
carries it; nobody sees that.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

import trio

from signalling.client.admission import create_session
from signalling.client.chat_queue import ChatQueue
from signalling.client.connection import CLOSED_WITHOUT_FRAME, Client, ClientTimeouts, open_client
from signalling.client.device_memory import MemoryDevice
from signalling.client.messages import (
    MAX_CHAT_SEEN,
    ChatMessage,
    ChatSent,
    Joined,
    Move,
    NodeEvent,
    Replaced,
    SeatLost,
)
from signalling.client.nearer import nearest_first
from signalling.client.refusal import ConnectionLostError, NodeUnreachableError, RefusedByNodeError
from signalling.client.remembered_rtts import REMEMBERED
from signalling.client.retry import Comeback, RetryPolicy, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from signalling.client.device_memory import DeviceMemory
    from signalling.ids import MessageId, NodeId, RoomId

__all__ = ["Away", "Ended", "RoomSeat", "SeatEvent", "Seated", "open_seat"]

MAX_REMEMBERED_CHATS: Final = 512
"""Ids of messages that are known again: more than a node sends at once."""

MAX_UNREAD_EVENTS: Final = 512
"""As many as a connection holds; who reads no faster is told ``slow_consumer``."""

FORMER_S: Final = 5.0
"""How long the former connection goes on after a move, unless :meth:`RoomSeat.carried` says that it need not; a node
ends it after 12 s."""

_FAILURES: Final = (RefusedByNodeError, ConnectionLostError, NodeUnreachableError, trio.TooSlowError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seated:
    """There is a seat: the first one, or one that was resumed.

    Attributes:
        joined: What the node said.
        resumed: Whether there was one before.
        moved: Whether the former connection still stands, with its media: build up the new one beside it and then
            call :meth:`RoomSeat.carried`.
    """

    joined: Joined
    resumed: bool
    moved: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Away:
    """The connection broke, and is being restored; ``code`` says why, empty when nothing did."""

    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """It is over, and nothing follows. ``code`` is ``replaced``, ``disconnected``, a refusal, or why the seat went."""

    code: str
    message: str


SeatEvent: TypeAlias = Seated | Away | Ended | NodeEvent


class RoomSeat:
    """One seat. Made by :func:`open_seat`."""

    def __init__(
        self,
        room: RoomId,
        device: DeviceMemory,
        comeback: Comeback,
        connect: _Connect,
        admit: _Admit,
        *,
        invitation: str | None = None,
        pin: str | None = None,
        measured: Mapping[NodeId, float] | None = None,
    ) -> None:
        self._room = room
        self._measured = measured  # None where we insist on a node
        self._invitation = invitation
        self._pin = pin
        self._device = device
        self._comeback = comeback
        self._connect = connect
        self._admit = admit
        self._token: str | None = None
        self._client: Client | None = None
        self._lines: trio.Nursery | None = None
        self._current: _Line | None = None
        self._moving = False
        self._failure: Exception = ConnectionLostError(CLOSED_WITHOUT_FRAME, "")
        self._carried = trio.Event()
        self._ended: Ended | None = None
        self._joined = False
        self._heard: OrderedDict[MessageId, None] = OrderedDict()
        self._last_chat: MessageId | None = None
        self._awake = trio.Event()
        self._events_in, self._events_out = trio.open_memory_channel[SeatEvent](MAX_UNREAD_EVENTS)
        self._chats = ChatQueue()

    @property
    def events(self) -> trio.MemoryReceiveChannel[SeatEvent]:
        """What happens, in order; ends after :class:`Ended`. A chat message comes once, whatever nodes repeat."""
        return self._events_out

    @property
    def client(self) -> Client | None:
        """The connection with the seat; None while there is none."""
        return self._client

    @property
    def ended(self) -> Ended | None:
        """Why it is over; None while it is not."""
        return self._ended

    async def chat(self, text: str) -> ChatSent:
        """Say something; while there is no connection it waits for one. Cancelling takes nothing back.

        Raises:
            RefusedByNodeError: The node said no; ``queue_full``: too many wait; or why the seat ended before that.
            trio.TooSlowError: The node does not answer, though the connection stands.
        """
        return await self._chats.say(text)

    def carried(self) -> None:
        """Media goes over the new connection after a move: the former one may end."""
        self._carried.set()

    def hope(self) -> None:
        """Try again at once, as the network is back, say."""
        self._comeback.hope()
        self._awake.set()

    async def send_chats(self) -> None:
        """Send what is written; runs until cancelled."""
        await self._chats.run()

    # --- the connection's task ----------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sit, and come back, until it is over; started once there is a first seat or it is over."""
        with self._events_in:
            while not self._is_over():
                failure = await self._round(task_status)
                if self._is_over():
                    break
                pause_s = self._comeback.pause_s(trio.current_time(), at_least_s=_asked_for_s(failure))
                if pause_s is None:
                    self._end("disconnected" if self._joined else _code(failure), _sentence(failure))
                    break
                self._awake = trio.Event()
                with trio.move_on_after(pause_s):
                    await self._awake.wait()
            assert self._ended is not None, "the loop ends with it"
            self._tell(self._ended)
        if not self._joined:
            task_status.started()

    async def _round(self, task_status: trio.TaskStatus[None]) -> Exception:
        """Try every node once; a seat that is found is held until it is lost. Returns the last failure."""
        last: Exception = NodeUnreachableError("there is no node to connect to")
        for node in self._comeback.nodes():
            last = await self._visit(node, task_status)
            outcome = judge(last)
            self._comeback.failed(node, outcome)
            if outcome in ("replaced", "final"):
                self._end("replaced" if outcome == "replaced" else _code(last), _sentence(last))
            if self._ended is not None or self._client is not None:
                break
        if self._client is not None:
            self._client = None
            self._comeback.lost(trio.current_time())
            if self._ended is None:
                self._tell(Away(code=_code(last)))
        return last

    async def _visit(self, node: str, task_status: trio.TaskStatus[None]) -> Exception:
        """Try a node, and once more with a new token if that may help."""
        try:
            await self._sit(node, task_status)
        except _FAILURES as error:
            if judge(error) != "new_token":
                return error
            self._token = None
            if self._client is not None:
                return error
        try:
            await self._sit(node, task_status)
        except _FAILURES as error:
            return error

    async def _sit(self, node: str, task_status: trio.TaskStatus[None]) -> NoReturn:
        """Take the seat at a node and hold it, there and where it is moved. Raises what ended it, or was in the way."""
        if self._token is None:
            self._token = await self._admit(node, self._device)
        self._current = None
        self._failure = ConnectionLostError(CLOSED_WITHOUT_FRAME, "")
        async with trio.open_nursery() as lines:
            self._lines = lines
            try:
                await lines.start(self._hold_line, node)
            except _FAILURES as error:
                self._fail(None, error)
            else:
                if not self._joined:
                    self._joined = True
                    task_status.started()
        self._lines = None
        raise self._failure

    async def _hold_line(self, node: str, *, task_status: trio.TaskStatus[_Line]) -> None:
        """Take the seat by a connection, and pass on what it says as long as it is the current one."""
        line = _Line()
        with line.scope:
            try:
                assert self._token is not None, "admitted before"
                async with self._connect(node, self._token) as client:
                    self._token = client.token
                    joined = await self._join(client)
                    self._sat_down(line, client, node, joined)
                    task_status.started(line)
                    async for event in client.events:
                        if line is self._current:
                            self._token = client.token
                            self._take(event)
                    raise client.lost or ConnectionLostError(CLOSED_WITHOUT_FRAME, "")
            except _FAILURES as error:
                if not line.seated:
                    raise
                self._fail(line, error)

    def _sat_down(self, line: _Line, client: Client, node: str, joined: Joined) -> None:
        moved, self._current = self._current is not None, line
        line.seated = True
        self._client = client
        self._carried = trio.Event()
        self._comeback.connected(node)
        self._tell(Seated(joined=joined, resumed=self._joined, moved=moved))
        for message in joined.missed:
            self._take(message)
        self._chats.connected(client)

    def _fail(self, line: _Line | None, error: Exception) -> None:
        """A connection ended: all of them, if it was the current one."""
        if line is self._current and self._lines is not None:
            self._failure = error
            self._lines.cancel_scope.cancel()

    async def _move(self, move: Move) -> None:
        """Take the seat at the first of these nodes that takes us; without one, we stay as long as we may."""
        former, lines = self._current, self._lines
        assert former is not None
        assert lines is not None
        try:
            for node in move.urls:
                self._comeback.learn(node)
                try:
                    await lines.start(self._hold_line, node)
                except _FAILURES as error:
                    self._comeback.failed(node, judge(error))
                    continue
                break
        finally:
            self._moving = False
        if self._current is not former:
            with trio.move_on_after(FORMER_S):
                await self._carried.wait()
            former.scope.cancel()

    async def _join(self, client: Client) -> Joined:
        try:
            return await self._ask(client, await self._device.raise_attempt())
        except RefusedByNodeError as refused:
            if refused.code != "attempt_stale" or refused.highest_attempt is None:
                raise
            highest = refused.highest_attempt
        # Nobody else is this device, so once is enough.
        return await self._ask(client, await self._device.raise_attempt(highest))

    async def _ask(self, client: Client, attempt: int) -> Joined:
        features = client.welcome.features
        return await client.join(
            self._room,
            attempt=attempt,
            invitation=self._invitation,
            pin=self._pin,
            chat_after=self._last_chat if "chat_after" in features else None,
            chat_seen=tuple(self._heard)[-MAX_CHAT_SEEN:] if "chat_seen" in features else (),
            moves="move" in features,
            gathers="gather" in features and self._measured is not None,
            rtts_ms=self._measured if "gather" in features else None,
        )

    def _take(self, event: NodeEvent) -> None:
        match event:
            case Move():
                if not self._moving and self._lines is not None:
                    self._moving = True
                    self._lines.start_soon(self._move, event)
                return
            case Replaced():
                raise RefusedByNodeError("replaced", "Another join of this participant took the seat.")
            case SeatLost(reason="node_drained" | "node_lost"):
                raise RefusedByNodeError("node_draining", "The node goes out of service.")
            case SeatLost(reason=reason):
                self._end(reason, "The seat in the room is gone.")
                raise RefusedByNodeError(reason, "The seat in the room is gone.")
            case ChatMessage(message=message) if message in self._heard:
                return
            case ChatMessage(message=message):
                self._heard[message] = None
                self._last_chat = message
                if len(self._heard) > MAX_REMEMBERED_CHATS:
                    self._heard.popitem(last=False)
            case _:
                pass
        self._tell(event)

    def _tell(self, event: SeatEvent) -> None:
        try:
            self._events_in.send_nowait(event)
        except trio.WouldBlock:
            self._end("slow_consumer", "Events were not read; open another seat.")

    def _is_over(self) -> bool:
        return self._ended is not None

    def _end(self, code: str, message: str) -> None:
        if self._ended is None:
            self._ended = Ended(code=code, message=message)
            self._chats.end(_too_late(self._ended))


def _asked_for_s(failure: Exception) -> float:
    return (failure.retry_after_s or 0.0) if isinstance(failure, RefusedByNodeError) else 0.0


class _Line:
    """One connection of a seat, in a task of its own."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.seated = False


_Connect: TypeAlias = "Callable[[str, str], AbstractAsyncContextManager[Client]]"
_Admit: TypeAlias = "Callable[[str, DeviceMemory], Awaitable[str]]"


@asynccontextmanager
async def open_seat(
    nodes: Sequence[str],
    room: RoomId,
    *,
    name: str,
    device: DeviceMemory | None = None,
    user_token: str | None = None,
    invitation: str | None = None,
    pin: str | None = None,
    nearest: bool = False,
    insist: bool = False,
    policy: RetryPolicy | None = None,
    timeouts: ClientTimeouts | None = None,
) -> AsyncIterator[RoomSeat]:
    """Take a seat and keep it for the length of the block, then give it back.

    Args:
        nodes: Base URLs of nodes, nearest first; the next is taken where one is dead or draining.
        room: The room.
        name: What others are to call you.
        device: Who this is over restarts; a new device otherwise.
        user_token: Who you are; a guest has none.
        invitation: What lets you into a room that takes no others.
        pin: Likewise, of a room with a PIN.
        nearest: Ask these nodes which there are, measure them, and take the one that suits best.
        insist: Stay at a node that takes us, wherever the room gathers; only one that goes out of service is left.
        policy: For how long a broken connection is tried to be restored.
        timeouts: Of each connection.

    Raises:
        RefusedByNodeError: There is no first seat; the code says why.
    """

    async def admit(node: str, of: DeviceMemory) -> str:
        try:
            return (await create_session(node, name=name, device=of.id, user_token=user_token, stay=True)).token
        except NodeUnreachableError:
            REMEMBERED.doubt(node)
            raise

    def connect(node: str, token: str) -> AbstractAsyncContextManager[Client]:
        return open_client(_session_url(node), token=token, timeouts=timeouts)

    nodes, rtts_ms = await nearest_first(nodes, room) if nearest else (nodes, {})
    comeback = Comeback(nodes, draw=random.random, policy=policy or RetryPolicy())
    seat = RoomSeat(
        room,
        device or MemoryDevice(),
        comeback,
        connect,
        admit,
        invitation=invitation,
        pin=pin,
        measured=None if insist else rtts_ms,
    )
    async with hold(seat):
        yield seat


@asynccontextmanager
async def hold(seat: RoomSeat) -> AsyncIterator[None]:
    """Run a seat for the length of the block; see :func:`open_seat`."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(seat.run)
        if seat.client is None and seat.ended is not None:
            failure = _too_late(seat.ended)
        else:
            nursery.start_soon(seat.send_chats)
            try:
                yield
                await _leave(seat)
            except Exception as error:  # noqa: BLE001 - raised again below, outside the nursery's group
                failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _leave(seat: RoomSeat) -> None:
    if seat.client is not None:
        try:
            await seat.client.leave()
        except _FAILURES:
            return  # gone already, or its grace ends it


def _session_url(node: str) -> str:
    return f"{node.rstrip('/').replace('http', 'ws', 1)}/v1/session"


def _code(error: Exception) -> str:
    match error:
        case RefusedByNodeError(code=code) | ConnectionLostError(code=code):
            return code or "connection_lost"
        case NodeUnreachableError():
            return "node_unreachable"
        case _:
            return "deadline_exceeded"


def _sentence(error: Exception) -> str:
    return error.message if isinstance(error, RefusedByNodeError) else f"There is no way to a node: {error}"


def _too_late(ended: Ended) -> RefusedByNodeError:
    return RefusedByNodeError(ended.code, ended.message)
