"""One client's connection, as its node sees it: what may be said when, and what follows.

Theory of operation. A connection starts as a *probe*, on which only ``ping`` makes sense: clients
measure nodes that way before they choose one. ``hello`` makes it a session once the node has said
``welcome``; ``join`` and ``leave`` take and give back the seat; everything about media and chat needs
a seat. The tables in :mod:`signalling.client.season` say which request is in season in which state and where it
leads, and where the node's reply leads. What is out of season is answered with an error
and changes nothing.

Every request gets exactly one reply, in any order. The protocol numbers what it delivers
(*handles*), so the ids that a client picks never reach the node.

A request whose contents do not fit gets an ``error`` that names the field, and the connection goes on: a defect of one
page costs one request and not the call. What has no readable ``id`` cannot be answered.

A client is dropped, with an ``error`` message and a close code (:mod:`signalling.client.closing`), for a malformed
message that cannot be answered, for one before ``welcome``, for many in a row, for talking too fast, for a refused
``hello``, for saying nothing in time, and for not answering the node's ping. WebSocket's own ping would not do:
libraries answer it while the program behind them hangs.

No clock, no socket, no randomness: ``handle(event, now)`` gives effects, ``next_deadline()`` the
time at which to feed :class:`~signalling.client.events.TimePassed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from signalling.client.closing import close_code
from signalling.client.codec import UnfitRequest, decode_request
from signalling.client.events import (
    Answered,
    Close,
    CloseWanted,
    Deliver,
    Disconnected,
    NodeRequest,
    PingWanted,
    ProtocolEffect,
    ProtocolEvent,
    Push,
    Received,
    ReplyReady,
    Send,
    TimePassed,
)
from signalling.client.messages import (
    MAX_CLIENT_MESSAGE_BYTES,
    PROTOCOL_VERSION,
    ClientMessage,
    Error,
    Hello,
    Join,
    NodeEvent,
    NodePing,
    NodeReply,
    Ok,
    Ping,
    Pong,
    PongReply,
    Replaced,
    SeatLost,
)
from signalling.client.season import AFTER_REPLY, AFTER_SEAT_LOST, NEEDS_SEAT, REPLY_TO, SEASON, State
from signalling.errors import ErrorCode, Refused
from signalling.pace import TokenBucket

FEATURES: Final = ("chat_after", "chat_history", "chat_seen", "gather", "measured", "move")
"""What `welcome` names: see :class:`signalling.client.messages.Welcome`."""

ACCEPTED_PROTOCOLS: Final = frozenset({PROTOCOL_VERSION, PROTOCOL_VERSION - 1} - {0})
"""This version and the one before it (version 1 has none)."""

_SAME_ID: Final = "Two requests with the same id are waiting; every request needs an id of its own."


@dataclass(frozen=True, kw_only=True)
class ProtocolLimits:
    """What one connection may do, in bytes, seconds and messages.

    Attributes:
        max_message_bytes: Longest message either way.
        hello_timeout_s: From the opened socket to ``hello``.
        probe_timeout_s: The same for a socket that pinged first: time for some ten rounds at 300 ms
            and for the person who reads the page.
        ping_interval_s: From one ping of the node to the next.
        pong_timeout_s: From the node's ping to its pong. Below it a phone may change networks.
        messages_per_s: Sustained rate; a client that joins sends some 30 within a second, then
            a few a minute.
        message_burst: Messages at once: candidates of two peer connections on a machine with
            many interfaces, twice over.
        max_outstanding: Requests that wait for a reply.
        max_unfit_in_a_row: Requests whose contents do not fit, without a good message between them; this many end the
            connection. A page's defect makes a few, a program that speaks another language nothing else.
    """

    max_message_bytes: int = MAX_CLIENT_MESSAGE_BYTES
    hello_timeout_s: float = 10.0
    probe_timeout_s: float = 30.0
    ping_interval_s: float = 5.0
    pong_timeout_s: float = 10.0
    messages_per_s: float = 50.0
    message_burst: int = 200
    max_outstanding: int = 64
    max_unfit_in_a_row: int = 8


class LocalProtocolError(RuntimeError):
    """The node did what it must not: a defect of ours, never the client's. Nothing has changed."""


class ClientProtocol:
    """The machine of one connection.

    Args:
        now: The time at which the socket opened, seconds.
        limits: What the client may do.
    """

    def __init__(self, *, now: float, limits: ProtocolLimits | None = None) -> None:
        self._limits = limits or ProtocolLimits()
        self._state = State.PROBE
        self._opened_at = now
        self._probed = False
        self._bucket = TokenBucket(rate_per_s=self._limits.messages_per_s, burst=self._limits.message_burst, now=now)
        self._handles = 0
        self._unfit_in_a_row = 0
        self._waiting: dict[int, NodeRequest] = {}
        self._ping_n = 0
        self._pinged_at = now
        self._pong_until: float | None = None
        self._rtt_s: float | None = None

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._state

    @property
    def outstanding(self) -> int:
        """Requests that the node has yet to answer."""
        return len(self._waiting)

    @property
    def rtt_s(self) -> float | None:
        """Seconds from the newest answered ping to its pong; ``None`` before the first."""
        return self._rtt_s

    def next_deadline(self) -> float | None:
        """Say when to feed :class:`TimePassed`, at the latest; ``None`` once closed."""
        limits = self._limits
        match self._state:
            case State.CLOSED:
                return None
            case State.PROBE:
                patience = limits.probe_timeout_s if self._probed else limits.hello_timeout_s
                return self._opened_at + patience
            case State.GREETING:
                # The node answers hello under its own deadline; this one only bounds a defect.
                return self._opened_at + limits.probe_timeout_s + limits.hello_timeout_s
            case _ if self._pong_until is not None:
                return self._pong_until
            case _:
                return self._pinged_at + limits.ping_interval_s

    def handle(self, event: ProtocolEvent, now: float) -> tuple[ProtocolEffect, ...]:
        """Take one event.

        Args:
            event: What happened.
            now: Seconds; not before the ``now`` of the event before it.

        Returns:
            What is to be done, in this order. Empty for ever after a :class:`Close`.

        Raises:
            LocalProtocolError: The node answered what it was not asked, or spoke before
                ``welcome``.
        """
        if self._state is State.CLOSED:
            return ()
        match event:
            case Received(data=data):
                return self._received(data, now)
            case ReplyReady(handle=handle, reply=reply):
                return self._reply(handle, reply, now)
            case Push(event=pushed):
                return self._push(pushed)
            case CloseWanted(code=code, reason=reason):
                return (self._closed(None, reason),) if code is None else self._drop(code, reason)
            case PingWanted(within_s=within_s):
                return self._ping_wanted(within_s, now)
            case TimePassed():
                return self._time_passed(now)
            case Disconnected():
                self._end()
                return ()

    # --- what the client says ---------------------------------------------------------------

    def _received(self, data: str | bytes, now: float) -> tuple[ProtocolEffect, ...]:
        if not self._bucket.take(now):
            return self._drop(
                ErrorCode.RATE_LIMITED,
                f"More than {self._limits.messages_per_s:g} messages a second; slow down.",
            )
        try:
            message = decode_request(data, max_bytes=self._limits.max_message_bytes)
        except UnfitRequest as unfit:
            return self._unfit(unfit)
        except Refused as refused:
            return self._drop(refused.code, refused.message)
        self._unfit_in_a_row = 0
        match message:
            case Ping():
                self._probed = True
                return (Send(message=Pong(id=message.id)),)
            case PongReply():
                return self._pong(message, now)
            case _:
                return self._request(message)

    def _unfit(self, unfit: UnfitRequest) -> tuple[ProtocolEffect, ...]:
        if self._is_waiting(unfit.request_id):
            return self._drop(ErrorCode.MALFORMED_MESSAGE, _SAME_ID)
        self._unfit_in_a_row += 1
        answer = Send(message=Error(id=unfit.request_id, code=unfit.code, message=unfit.message))
        if self._state in {State.PROBE, State.GREETING}:
            return (answer, self._closed(unfit.code, unfit.message))
        if self._unfit_in_a_row >= self._limits.max_unfit_in_a_row:
            sentence = f"{self._unfit_in_a_row} messages in a row were malformed; this client needs mending."
            return (answer, *self._drop(unfit.code, sentence))
        return (answer,)

    def _is_waiting(self, request_id: int | None) -> bool:
        return request_id is not None and any(waiting.id == request_id for waiting in self._waiting.values())

    def _request(self, request: NodeRequest) -> tuple[ProtocolEffect, ...]:
        if self._is_waiting(request.id):
            return self._drop(ErrorCode.MALFORMED_MESSAGE, _SAME_ID)
        leads_to = SEASON[self._state].get(type(request))
        if leads_to is None:
            return (_refusal(request, *_out_of_season(self._state, request)),)
        if isinstance(request, Hello) and request.protocol not in ACCEPTED_PROTOCOLS:
            sentence = f"This node speaks protocol {PROTOCOL_VERSION}; reload the page for a newer client."
            refusal = _refusal(request, ErrorCode.PROTOCOL_UNSUPPORTED, sentence)
            return (refusal, self._closed(ErrorCode.PROTOCOL_UNSUPPORTED, sentence))
        if len(self._waiting) >= self._limits.max_outstanding:
            sentence = f"{len(self._waiting)} requests wait for their replies already; wait for some."
            return (_refusal(request, ErrorCode.RATE_LIMITED, sentence),)
        self._handles += 1
        self._waiting[self._handles] = request
        self._state = leads_to
        return (Deliver(handle=self._handles, request=request),)

    def _pong(self, message: PongReply, now: float) -> tuple[ProtocolEffect, ...]:
        # A pong that nobody waits for is late or invented; neither says anything.
        if self._pong_until is None or message.n != self._ping_n:
            return ()
        self._pong_until = None
        self._rtt_s = now - self._pinged_at
        return (Answered(),)

    # --- what the node says -----------------------------------------------------------------

    def _reply(self, handle: int, reply: NodeReply, now: float) -> tuple[ProtocolEffect, ...]:
        request = self._waiting.get(handle)
        if request is None:
            raise LocalProtocolError(f"handle {handle} waits for no reply")
        if not isinstance(reply, (Error, REPLY_TO[type(request)])):
            raise LocalProtocolError(f"a {type(reply).__name__} does not answer a {type(request).__name__}")
        del self._waiting[handle]
        answer = Send(message=msgspec.structs.replace(reply, id=request.id))
        if isinstance(request, Hello) and isinstance(reply, Error):
            return (answer, self._closed(ErrorCode.known(reply.code), reply.message))
        self._state = AFTER_REPLY.get((self._state, type(request), type(reply)), self._state)
        if isinstance(request, Hello):
            self._pinged_at = now
        if isinstance(reply, Ok) and request.id is None:
            return ()
        return (answer,)

    def _push(self, event: NodeEvent) -> tuple[ProtocolEffect, ...]:
        if self._state in {State.PROBE, State.GREETING}:
            raise LocalProtocolError(f"a {type(event).__name__} before welcome")
        if isinstance(event, Replaced):
            reason = "A newer join holds the seat."
            return (Send(message=event), self._closed(ErrorCode.REPLACED, reason))
        if isinstance(event, SeatLost):
            self._state = AFTER_SEAT_LOST.get(self._state, self._state)
        return (Send(message=event),)

    # --- what time brings -------------------------------------------------------------------

    def _time_passed(self, now: float) -> tuple[ProtocolEffect, ...]:
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return ()
        if self._state is State.PROBE and self._probed:
            return (self._closed(None, "The probe is over."),)
        if self._state is State.PROBE:
            return self._drop(
                ErrorCode.HELLO_TIMEOUT,
                f"No hello within {self._limits.hello_timeout_s:g} s; connect again.",
            )
        if self._state is State.GREETING:
            return self._drop(ErrorCode.DEADLINE_EXCEEDED, "The node did not get to the hello; try again.")
        if self._pong_until is not None:
            sentence = f"No pong within {deadline - self._pinged_at:g} s; connect again."
            return self._drop(ErrorCode.PING_TIMEOUT, sentence)
        return self._ping(self._limits.pong_timeout_s, now)

    def _ping_wanted(self, within_s: float, now: float) -> tuple[ProtocolEffect, ...]:
        if self._state in {State.PROBE, State.GREETING}:
            return ()  # Without a session yet, it keeps nobody waiting.
        if self._pong_until is None:
            return self._ping(within_s, now)
        self._pong_until = min(self._pong_until, now + within_s)
        return ()

    def _ping(self, within_s: float, now: float) -> tuple[ProtocolEffect, ...]:
        self._ping_n += 1
        self._pinged_at = now
        self._pong_until = now + within_s
        return (Send(message=NodePing(n=self._ping_n)),)

    # --- the end ----------------------------------------------------------------------------

    def _drop(self, code: ErrorCode, sentence: str) -> tuple[ProtocolEffect, ...]:
        farewell = Send(message=Error(code=code, message=sentence))
        return (farewell, self._closed(code, sentence))

    def _closed(self, code: ErrorCode | None, reason: str) -> Close:
        self._end()
        return Close(close_code=close_code(code), code=code, reason=reason)

    def _end(self) -> None:
        self._state = State.CLOSED
        self._waiting.clear()


def _refusal(request: ClientMessage, code: ErrorCode, sentence: str) -> Send:
    return Send(message=Error(id=request.id, code=code, message=sentence))


def _out_of_season(state: State, request: NodeRequest) -> tuple[ErrorCode, str]:
    topic = type(request).__struct_config__.tag
    match state, request:
        case State.GREETED, _ if type(request) in NEEDS_SEAT:
            return ErrorCode.NOT_IN_ROOM, f"{topic!r} needs a seat in a room; join one first."
        case State.IN_ROOM, Join():
            return ErrorCode.ALREADY_IN_ROOM, "You are in a room; leave it before you join another."
        case _:
            return (
                ErrorCode.UNEXPECTED_MESSAGE,
                f"{topic!r} is out of order while the connection is in the state {state.value!r}.",
            )
