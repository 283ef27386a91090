"""A client in Python: one WebSocket to a node, on Trio.

    grant = await create_session("http://127.0.0.1:7800", name="Ada")
    async with open_client(grant.session_url, token=grant.token) as client:
        joined = await client.join(RoomId("lobby"), attempt=1)
        async for event in client.events:
            if isinstance(event, Offer):
                await client.answer(sdp=my_answer_to(event.sdp), generation=event.generation)

Requests may run at the same time; each waits for its own reply. The node's pings are answered here
and never reach ``events``. Media is the caller's business: SDP goes through as text.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from signalling.client.closing import close_code
from signalling.client.codec import encode, read_node_message
from signalling.client.dialling import open_websocket
from signalling.client.messages import (
    Answer,
    AskMute,
    Chat,
    ChatHistory,
    ChatPage,
    ChatSent,
    ClientMessage,
    ClientPeer,
    Error,
    FreshToken,
    Hello,
    Join,
    Joined,
    Kick,
    Leave,
    LockRoom,
    Measured,
    Mute,
    NodeEvent,
    NodePing,
    NodeReply,
    Ok,
    Ping,
    Pong,
    PongReply,
    Prefer,
    Publish,
    Published,
    Reply,
    TrackIntent,
    TrackPreference,
    Trickle,
    Welcome,
)
from signalling.client.refusal import ConnectionLostError, NodeUnreachableError, RefusedByNodeError
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from signalling.client.events import NodeRequest
    from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, TrackId

R = TypeVar("R", bound=Reply)

MAX_UNREAD_EVENTS: Final = 512
"""As many as the node's own outbox holds; who reads no faster is dropped at either end."""

CLOSED_WITHOUT_FRAME: Final = 1006
"""RFC 6455, section 7.4.1: the number for a connection that ended without a close frame."""


@dataclass(frozen=True, kw_only=True)
class ClientTimeouts:
    """How long a client waits, seconds.

    Attributes:
        connect_s: For TCP, TLS and the WebSocket handshake.
        send_s: For one message to leave.
        reply_s: For the reply to a request.
        silence_s: Without any message; the node pings every 5 s.
        close_s: For the closing handshake.
    """

    connect_s: float = 10.0
    send_s: float = 10.0
    reply_s: float = 10.0
    silence_s: float = 15.0
    close_s: float = 2.0


@dataclass(kw_only=True)
class _Waiting:
    done: trio.Event = field(default_factory=trio.Event)
    reply: NodeReply | None = None


class Client:
    """One session with a node. Made by :func:`open_client`.

    Every request raises :class:`RefusedByNodeError` when the node says no,
    :class:`ConnectionLostError` when the connection is or gets lost, and ``trio.TooSlowError`` when
    no reply comes in time: what became of the request is then unknown. Cancelling a request has
    the same outcome.
    """

    def __init__(self, ws: WebSocketConnection, *, timeouts: ClientTimeouts) -> None:
        self._ws = ws
        self._timeouts = timeouts
        self._requests = 0
        self._waiting: dict[int, _Waiting] = {}
        self._lost: ConnectionLostError | None = None
        self._welcome: Welcome | None = None
        self._token = ""
        self._events_in, self._events_out = trio.open_memory_channel[NodeEvent](MAX_UNREAD_EVENTS)

    @property
    def welcome(self) -> Welcome:
        """What the node said to the hello."""
        assert self._welcome is not None, "open_client says hello before it hands out the client"
        return self._welcome

    @property
    def token(self) -> str:
        """The newest session token."""
        return self._token

    @property
    def events(self) -> trio.MemoryReceiveChannel[NodeEvent]:
        """What happens unasked, in order. Ends when the connection is lost (see :attr:`lost`)."""
        return self._events_out

    @property
    def lost(self) -> ConnectionLostError | None:
        """Why the connection is lost; ``None`` while it stands."""
        return self._lost

    async def hello(self, token: str, *, client: str = "starling-python") -> Welcome:
        """Say who we are; :func:`open_client` has done so."""
        self._welcome = await self._expect(Hello(token=token, client=client), Welcome)
        self._token = self._welcome.token
        return self._welcome

    async def join(
        self,
        room: RoomId,
        *,
        attempt: int,
        room_token: str | None = None,
        invitation: str | None = None,
        pin: str | None = None,
        chat_after: MessageId | None = None,
        chat_seen: tuple[MessageId, ...] = (),
        moves: bool = False,
        gathers: bool = False,
        rtts_ms: Mapping[NodeId, float] | None = None,
    ) -> Joined:
        """Take a seat; ``attempt`` must be greater than in any join of this device before.

        Rooms that are not open want an ``invitation`` or a ``pin``. With ``chat_after``, the last chat message seen,
        the reply has what was said since, and nothing of ``chat_seen`` (:data:`MAX_CHAT_SEEN` at most) is said again.
        With ``moves`` the node may say :class:`Move`, if its welcome names the feature `move`; with ``gathers`` also
        because the room gathers elsewhere, for which ``rtts_ms`` (what you measured, ms) counts: feature `gather`.
        """
        request = Join(
            room=room,
            attempt=attempt,
            room_token=room_token,
            invitation=invitation,
            pin=pin,
            chat_after=chat_after,
            chat_seen=chat_seen,
            moves=moves,
            gathers=gathers,
            rtts_ms=dict(rtts_ms or {}),
        )
        return await self._expect(request, Joined)

    async def kick(self, participant: ParticipantId, *, ban_s: float | None = None) -> None:
        """Put somebody out, who hears :class:`SeatLost`, and keep their user out for ``ban_s`` seconds.

        Raises:
            RefusedByNodeError: `not_permitted`: for the room's owner and admins; `participant_unknown`, `not_in_room`,
                `room_elsewhere`, `rate_limited`, `store_unavailable`; `room_full` of bans.
        """
        await self._expect(Kick(participant=participant, ban_s=ban_s), Ok)

    async def ask_mute(self, participant: ParticipantId, track: TrackId) -> None:
        """Ask somebody to mute a track, who hears :class:`MuteAsked` and decides; for those who may kick.

        Raises:
            RefusedByNodeError: As for :meth:`kick`, and `track_unknown`.
        """
        await self._expect(AskMute(participant=participant, track=track), Ok)

    async def lock_room(self, *, locked: bool) -> None:
        """Let nobody new in, or let people in again; for those who may kick. All inside hear :class:`RoomChanged`.

        Raises:
            RefusedByNodeError: `not_permitted`, `not_in_room`, `store_unavailable`.
        """
        await self._expect(LockRoom(locked=locked), Ok)

    async def measured(self, rtts_ms: Mapping[NodeId, float]) -> None:
        """Say how far nodes are, ms; where one is clearly nearer, :class:`Move` follows. Needs the feature `measured`.

        Raises:
            RefusedByNodeError: `not_in_room`, `rate_limited`.
        """
        await self._expect(Measured(rtts_ms=dict(rtts_ms)), Ok)

    async def leave(self) -> None:
        """Give the seat back."""
        await self._expect(Leave(), Ok)

    async def publish(self, *, sdp: str, tracks: tuple[TrackIntent, ...]) -> Published:
        """Offer the publisher peer connection with all its tracks."""
        return await self._expect(Publish(sdp=sdp, tracks=tracks), Published)

    async def answer(self, *, sdp: str, generation: int) -> None:
        """Answer the node's offer of that generation."""
        await self._expect(Answer(sdp=sdp, generation=generation), Ok)

    async def mute(self, track: TrackId, *, muted: bool) -> None:
        """Tell the others that a track of ours is silent or dark, or no longer."""
        await self._expect(Mute(track=track, muted=muted), Ok)

    async def prefer(self, tracks: tuple[TrackPreference, ...]) -> None:
        """Say how we would like to be sent the others' tracks: all preferences, replacing those before."""
        await self._expect(Prefer(tracks=tracks), Ok)

    async def chat(self, text: str, *, nonce: str | None = None) -> ChatSent:
        """Say something to the room; pass the same ``nonce`` again to repeat a message safely."""
        return await self._expect(Chat(text=text, nonce=nonce or secrets.token_hex(8)), ChatSent)

    async def chat_history(self, *, before: MessageId | None = None, limit: int = 50) -> ChatPage:
        """Read what was said in the room, oldest first: the newest ``limit`` messages (1 to 100), or those before one.

        Raises:
            RefusedByNodeError: `not_in_room`; `store_unavailable` where nobody can say yet who may read. A node whose
                welcome does not name the feature `chat_history` ends the connection (:class:`ConnectionLostError`).
        """
        return await self._expect(ChatHistory(before=before, limit=limit), ChatPage)

    async def ping(self) -> float:
        """Measure the round trip to the node, seconds."""
        started = trio.current_time()
        await self._expect(Ping(), Pong)
        return trio.current_time() - started

    async def trickle(self, peer: ClientPeer, candidate: str) -> None:
        """Send one ICE candidate; nothing comes back."""
        await self._send(Trickle(peer=peer, candidate=candidate))

    # --- requests ---------------------------------------------------------------------------

    async def _expect(self, request: NodeRequest | Ping, kind: type[R]) -> R:
        self._requests += 1
        number = self._requests
        waiting = self._waiting[number] = _Waiting()
        try:
            with trio.fail_after(self._timeouts.reply_s):
                await self._send(msgspec.structs.replace(request, id=number))
                await waiting.done.wait()
        finally:
            del self._waiting[number]
        reply = waiting.reply
        if isinstance(reply, kind):
            return reply
        if isinstance(reply, Error):
            raise RefusedByNodeError(reply.code, reply.message, reply.highest_attempt)
        if self._lost is not None:
            raise self._lost
        raise self._lose(close_code(ErrorCode.MALFORMED_MESSAGE), ErrorCode.MALFORMED_MESSAGE)

    async def _send(self, message: ClientMessage) -> None:
        if self._lost is not None:
            raise self._lost
        try:
            with trio.fail_after(self._timeouts.send_s):
                await self._ws.send_message(encode(message))
        except ConnectionClosed as closed:
            raise self._closed(closed) from closed

    # --- what comes in ----------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read until the connection is lost; :func:`open_client` runs it in a task."""
        task_status.started()
        try:
            while self._lost is None:
                with trio.fail_after(self._timeouts.silence_s):
                    data = await self._ws.get_message()
                await self._take(data)
        except trio.TooSlowError:
            self._lose(close_code(ErrorCode.PING_TIMEOUT), ErrorCode.PING_TIMEOUT)
        except ConnectionClosed as closed:
            self._closed(closed)
        except ConnectionLostError:
            return  # said by _send to the pong, and noted there
        except Refused as refused:
            self._lose(close_code(refused.code), refused.code)
        except trio.WouldBlock:
            self._lose(close_code(ErrorCode.SLOW_CONSUMER), ErrorCode.SLOW_CONSUMER)
        finally:
            self._events_in.close()

    async def _take(self, data: str | bytes) -> None:
        message = read_node_message(data)
        if message is None:
            return  # a newer node says more
        if isinstance(message, Reply):
            # Without an id it is the node's last word, and the close frame behind it says the same;
            # with one that nobody waits for it came after its deadline.
            waiting = None if message.id is None else self._waiting.get(message.id)
            if waiting is not None:
                waiting.reply = message
                waiting.done.set()
            return
        if isinstance(message, NodePing):
            await self._send(PongReply(n=message.n))
            return
        if isinstance(message, FreshToken):
            self._token = message.token
        self._events_in.send_nowait(message)

    # --- the end ----------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Whoever still waits for a reply hears that none will come; :func:`open_client` does so at its end."""
        self._lose(CLOSED_WITHOUT_FRAME, "")

    def _closed(self, closed: ConnectionClosed) -> ConnectionLostError:
        reason = closed.reason
        if reason is None:
            return self._lose(CLOSED_WITHOUT_FRAME, "")
        return self._lose(reason.code, reason.reason or "")

    def _lose(self, number: int, code: str) -> ConnectionLostError:
        if self._lost is None:
            self._lost = ConnectionLostError(number, code)
            for waiting in self._waiting.values():
                waiting.done.set()
        return self._lost


@asynccontextmanager
async def converse(
    ws: WebSocketConnection, *, token: str, timeouts: ClientTimeouts | None = None
) -> AsyncIterator[Client]:
    """Say hello on an open WebSocket and hand out the client; closes the WebSocket at the end.

    Raises:
        RefusedByNodeError: The node refused the token.
        ConnectionLostError: It hung up instead.
        trio.TooSlowError: It did not answer.
    """
    timeouts = timeouts or ClientTimeouts()
    client = Client(ws, timeouts=timeouts)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(client.run)
            await client.hello(token)
            yield client
        except Exception as error:  # noqa: BLE001 - raised again below, outside the nursery's group
            failure = error
        finally:
            client.hang_up()
            with trio.move_on_after(timeouts.close_s, shield=True):
                await ws.aclose()
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def open_client(
    url: str,
    *,
    token: str,
    ssl_context: ssl.SSLContext | None = None,
    origin: str | None = None,
    timeouts: ClientTimeouts | None = None,
) -> AsyncIterator[Client]:
    """Connect to a node, say hello, and hand out the client; hang up at the end.

    Hanging up is not leaving: the seat is then held for its grace. Call :meth:`Client.leave` first
    to give it back at once.

    Args:
        url: The ``session_url`` of a :class:`~signalling.client.admission.SessionGrant`.
        token: The session token.
        ssl_context: For ``wss``; the system's certificates otherwise.
        origin: An ``Origin`` header, as a browser would send it.
        timeouts: How long to wait for what.

    Raises:
        NodeUnreachableError: No WebSocket came about.
        RefusedByNodeError: The node refused the token.
        ConnectionLostError: It hung up before ``welcome``.
        trio.TooSlowError: It did not answer the hello.
    """
    timeouts = timeouts or ClientTimeouts()
    failure: Exception | None = None
    try:
        async with open_websocket(
            url,
            ssl_context=ssl_context,
            origin=origin,
            connect_s=timeouts.connect_s,
            close_s=timeouts.close_s,
        ) as ws:
            try:
                async with converse(ws, token=token, timeouts=timeouts) as client:
                    yield client
            except Exception as error:  # noqa: BLE001 - raised again below, outside the group
                failure = error
    except* NodeUnreachableError as unreachable:
        failure = unreachable.exceptions[0]
    if failure is not None:
        raise failure
