"""One client's connection: the protocol machine with tasks around it.

Four tasks and no shared state. The *reader* puts what comes into the inbox. The *owner* alone
touches the protocol machine: it takes events from the inbox and time from the clock and carries
out the effects. The *worker* asks the backend, one request after the other, each under a deadline.
The *writer* empties the outbox into the socket. What the backend has to say, it puts into the
inbox, too, without waiting; so the order of its words is the order on the wire.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import structlog
import trio

from signalling.client.closing import close_code
from signalling.client.events import (
    Answered,
    Close,
    CloseWanted,
    Deliver,
    PingWanted,
    Push,
    Received,
    ReplyReady,
    Send,
    TimePassed,
)
from signalling.client.messages import Error, Hello, NodeEvent, NodeReply, Welcome
from signalling.client.outbox import MAX_OUTBOX_MESSAGES, Outbox
from signalling.client.protocol import FEATURES, ClientProtocol, LocalProtocolError, ProtocolLimits
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.http.backend import Backend, CloseCause, OpenedSession
    from signalling.client.events import ProtocolEvent
    from signalling.ids import SessionId

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MAX_INBOX: Final = MAX_OUTBOX_MESSAGES + 64
"""The owner only moves things on, so what waits here is one burst of the node, and what fits into
an outbox has to fit; the rest is room for the reader and replies."""

CLOSE_DEADLINE_S: Final = 3.0
"""From the decision to close to the end: the last words, the close frame, and the client's answer to
it. Closing at once would let unread input reset the connection under the frame."""


class Wire(Protocol):
    """A WebSocket that is open. When the client is gone, the task that runs the connection is cancelled."""

    async def receive(self) -> str | bytes:
        """Wait for one message."""
        ...

    async def send(self, text: str) -> None:
        """Send one text message."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame."""
        ...


@dataclass(kw_only=True)
class ConnectionCounters:
    """What the connections of a server did.

    Attributes:
        open: Connections now.
        opened: Connections, ever.
        requests: Requests given to the backend, ever.
        ended: Connections by why they ended, ever.
    """

    open: int = 0
    opened: int = 0
    requests: int = 0
    ended: dict[str, int] = field(default_factory=dict)


class ClientConnection:
    """Runs one connection, see the module's text.

    Args:
        backend: Who answers requests.
        wire: The socket.
        request_deadline_s: For the backend to answer a request.
        counters: Shared by all connections of the server.
        limits: What the client may do.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        wire: Wire,
        request_deadline_s: float,
        counters: ConnectionCounters,
        limits: ProtocolLimits | None = None,
    ) -> None:
        self._backend = backend
        self._wire = wire
        self._request_deadline_s = request_deadline_s
        self._counters = counters
        self._limits = limits or ProtocolLimits()
        self._protocol = ClientProtocol(now=trio.current_time(), limits=self._limits)
        self._inbox_in, self._inbox_out = trio.open_memory_channel["ProtocolEvent"](MAX_INBOX)
        self._work_in, self._work_out = trio.open_memory_channel[Deliver](self._limits.max_outstanding)
        self._outbox = Outbox()
        self._early: list[NodeEvent] = []
        self._is_welcomed = False
        self._session: SessionId | None = None
        self._ended_by_node = False
        self._answered = trio.Event()
        self._owning = trio.CancelScope()

    # --- what the backend holds -----------------------------------------------------------

    def send(self, event: NodeEvent) -> None:
        """Queue an event for the client; see :class:`node.http.backend.SessionSocket`."""
        self._post(Push(event=event))

    def end(self, code: ErrorCode, message: str) -> None:
        """Close with a last word; see :class:`node.http.backend.SessionSocket`."""
        self._ended_by_node = True
        self._post(CloseWanted(code=code, reason=message))

    async def is_there(self, within_s: float) -> bool:
        """Ping the client; see :class:`node.http.backend.SessionSocket`."""
        answered = self._answered
        self._post(PingWanted(within_s=within_s))
        with trio.move_on_after(within_s):
            await answered.wait()
        return answered.is_set()

    def _post(self, event: ProtocolEvent) -> None:
        try:
            self._inbox_in.send_nowait(event)
        except trio.WouldBlock:
            self._overflow()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # The connection is over: nobody is left to tell.

    def _overflow(self) -> None:
        """Drop a client for which the node said more at once than an outbox holds."""
        self._owning.cancel()

    # --- tasks ----------------------------------------------------------------------------

    async def run(self, stopping: trio.Event) -> None:
        """Serve the connection until it ends.

        Cancelling ends it at once, which is what happens when the client is gone. The backend hears
        of the end of a session in any case.

        Args:
            stopping: Set when the server goes away; the client is then sent to another node.
        """
        self._counters.open += 1
        self._counters.opened += 1
        cause: CloseCause = "gone"
        try:
            async with trio.open_nursery() as writing:
                writing.start_soon(self._write)
                async with trio.open_nursery() as serving:
                    serving.start_soon(self._read)
                    serving.start_soon(self._work)
                    serving.start_soon(self._watch, stopping)
                    closing = await self._own()
                    serving.cancel_scope.cancel()
                cause = self._cause(closing)
                self._tell_backend(cause)
                self._outbox.close()
                writing.cancel_scope.deadline = trio.current_time() + CLOSE_DEADLINE_S
                if cause == "slow_consumer":
                    writing.cancel_scope.cancel()
            await self._say_goodbye(closing)
        finally:
            self._tell_backend(cause)
            self._inbox_out.close()
            self._counters.open -= 1
            self._counters.ended[cause] = self._counters.ended.get(cause, 0) + 1

    async def _own(self) -> Close:
        with self._owning:
            while True:
                event: ProtocolEvent = TimePassed()
                deadline = self._protocol.next_deadline()
                with trio.move_on_at(math.inf if deadline is None else deadline):
                    event = await self._inbox_out.receive()
                closing = self._handle(event)
                if closing is not None:
                    return closing
        return self._slow_consumer()

    async def _read(self) -> None:
        while True:
            await self._inbox_in.send(Received(data=await self._wire.receive()))

    async def _write(self) -> None:
        while True:
            try:
                text = await self._outbox.take()
            except trio.EndOfChannel:
                return
            await self._wire.send(text)

    async def _work(self) -> None:
        async for deliver in self._work_out:
            self._counters.requests += 1
            answer = _Answer(deliver.handle, self._post)
            try:
                with trio.fail_after(self._request_deadline_s):
                    await self._ask(deliver, answer)
                answer.refuse(ErrorCode.INTERNAL_ERROR, "The node has no answer to that.")
            except Refused as refused:
                answer.refuse(refused.code, refused.message)
            except trio.TooSlowError:
                answer.refuse(ErrorCode.DEADLINE_EXCEEDED, "The node did not get to it in time; try again.")
            except Exception:
                log.exception("request_failed", topic=type(deliver.request).__struct_config__.tag)
                answer.refuse(ErrorCode.INTERNAL_ERROR, "The node failed; try again.")

    async def _ask(self, deliver: Deliver, answer: _Answer) -> None:
        request = deliver.request
        if isinstance(request, Hello):
            opened = await self._backend.open_session(request, self)
            self._session = opened.session
            answer(self._welcome(opened))
        elif self._session is not None:
            await self._backend.handle(self._session, request, answer)

    async def _watch(self, stopping: trio.Event) -> None:
        await stopping.wait()
        self.end(ErrorCode.NODE_DRAINING, "This node is stopping; connect to another one.")

    # --- the owner's steps ----------------------------------------------------------------

    def _handle(self, event: ProtocolEvent) -> Close | None:
        if isinstance(event, Push) and not self._is_welcomed:
            # The backend has the session a moment before the client knows.
            self._early.append(event.event)
            return self._slow_consumer() if len(self._early) > MAX_OUTBOX_MESSAGES else None
        try:
            effects = self._protocol.handle(event, trio.current_time())
        except LocalProtocolError as error:
            log.error("protocol_defect", detail=str(error))
            return self._handle(CloseWanted(code=ErrorCode.INTERNAL_ERROR, reason="The node failed; connect again."))
        for effect in effects:
            match effect:
                case Send(message=message):
                    try:
                        self._outbox.put_nowait(message)
                    except Refused:
                        return self._slow_consumer()
                    if isinstance(message, Welcome):
                        self._is_welcomed = True
                case Deliver():
                    self._work_in.send_nowait(effect)
                case Answered():
                    self._answered.set()
                    self._answered = trio.Event()
                case Close():
                    return effect
        if self._is_welcomed and self._early:
            early, self._early = self._early, []
            for pushed in early:
                closing = self._handle(Push(event=pushed))
                if closing is not None:
                    return closing
        return None

    def _welcome(self, opened: OpenedSession) -> Welcome:
        return Welcome(
            session=opened.session,
            user=opened.user,
            device=opened.device,
            node=opened.node,
            region=opened.region,
            token=opened.token,
            ping_interval_s=self._limits.ping_interval_s,
            max_message_bytes=self._limits.max_message_bytes,
            features=FEATURES,
        )

    # --- the end --------------------------------------------------------------------------

    def _cause(self, closing: Close) -> CloseCause:
        match closing.code:
            case ErrorCode.PING_TIMEOUT:
                return "ping_timeout"
            case ErrorCode.SLOW_CONSUMER:
                return "slow_consumer"
            case ErrorCode.REPLACED:
                return "ended_by_node"
            case None:
                return "gone"
            case _:
                return "ended_by_node" if self._ended_by_node else "protocol_error"

    def _tell_backend(self, cause: CloseCause) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            self._backend.session_closed(session, cause)

    async def _say_goodbye(self, closing: Close) -> None:
        with trio.move_on_after(CLOSE_DEADLINE_S):
            await self._wire.close(closing.close_code, closing.code or "")
            while True:
                # Whatever still comes is dropped; the client's close frame ends this task.
                await self._wire.receive()

    @staticmethod
    def _slow_consumer() -> Close:
        return Close(
            close_code=close_code(ErrorCode.SLOW_CONSUMER),
            code=ErrorCode.SLOW_CONSUMER,
            reason="The client reads more slowly than its room talks.",
        )


class _Answer:
    """The one reply to a request: the first counts, whoever gives it."""

    def __init__(self, handle: int, post: Callable[[ProtocolEvent], None]) -> None:
        self._handle = handle
        self._post = post
        self._is_given = False

    def __call__(self, reply: NodeReply) -> None:
        if not self._is_given:
            self._is_given = True
            self._post(ReplyReady(handle=self._handle, reply=reply))

    def refuse(self, code: ErrorCode, message: str) -> None:
        self(Error(code=code, message=message))
