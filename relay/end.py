"""One end of a link at work: the engine's commands for it, one after the other, each under a deadline.

The cores decide at once and in order; the engine takes its time. This is the queue between them, one for
each end, so that a link that is slow to take its words holds up no other.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog
import trio

from relay.legs import MAX_LEGS_OUT, CloseLegIn, CloseLegOut, OpenLegIn, OpenLegOut
from relay.negotiation.effects import ConnectEnd
from relay.negotiation.events import EndFailed, EndOpened
from relay.rooms import MAX_ROOMS_EACH
from sfu.errors import EngineLostError, EngineRefused, EngineTimeoutError
from signalling.mesh.negotiation import LinkParameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.ports import LinkEngine
    from signalling.ids import NodeId, PeerId, RoomId

MAX_WAITING: Final = 2 * MAX_ROOMS_EACH + 4 * MAX_LEGS_OUT
"""Commands that wait for one end: all that may be stated at once after a link comes up. A room takes two, a leg two
each way."""

CONGESTED_PAUSE_S: Final = 0.05
CONGESTED_LIMIT_S: Final = 5.0
"""A reliable channel that takes nothing for this long is as good as dead; a new link starts with all of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanRoom:
    """Whether what people of a room here say on data channels goes over this link."""

    room: RoomId
    spans: bool


EndCommand: TypeAlias = ConnectEnd | OpenLegIn | CloseLegIn | OpenLegOut | CloseLegOut | SpanRoom | bytes
"""What can be asked of an end that is open; bytes are a message for the other one."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("relay.end")


class LinkEnd:
    """One end, from its opening to its close. Reports `EndOpened` and `EndFailed`, the latter once."""

    def __init__(
        self,
        *,
        id: PeerId,  # noqa: A002 - the name of the thing
        node: NodeId,
        engine: LinkEngine,
        deadline_s: float,
        report: Callable[[EndOpened | EndFailed], None],
        lane: int = 0,
        beside: PeerId | None = None,
    ) -> None:
        self.id = id
        self.node = node
        self.has_spoken = False
        """The far node has said something on it."""
        self._lane = lane
        self._beside = beside
        self.refusals: Counter[str] = Counter()
        self._engine = engine
        self._deadline_s = deadline_s
        self._report = report
        self._waiting: deque[EndCommand] = deque()
        self._arrived = trio.Event()
        self._scope = trio.CancelScope()
        self._has_failed = False

    def put(self, command: EndCommand) -> None:
        """Ask for something, after all that was asked for before."""
        if self._has_failed:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._fail("overloaded")
            return
        self._waiting.append(command)
        self._arrived.set()

    def close(self) -> None:
        """Drop what waits, and end it in the engine; `run` returns when that is done."""
        self._scope.cancel()

    async def run(self, *, controlling: bool) -> None:
        """Open the end and serve it until `close`. The engine is told of its end whatever happens."""
        try:
            with self._scope:
                await self._serve(controlling=controlling)
        finally:
            with trio.move_on_after(self._deadline_s, shield=True):
                try:
                    await self._engine.close_peer(self.id)
                except (EngineRefused, EngineLostError) as error:
                    # An engine that is gone has no ends; one that hangs will be replaced.
                    _log.debug("end not closed", end=self.id, reason=str(error))

    async def _serve(self, *, controlling: bool) -> None:
        try:
            await self._open(controlling=controlling)
            while True:
                await self._arrived.wait()
                while self._waiting:
                    await self._do(self._waiting.popleft())
                self._arrived = trio.Event()
        except EngineRefused as error:
            self._fail(error.code)
        except (EngineTimeoutError, trio.TooSlowError):
            self._fail("engine_timeout")
        except EngineLostError:
            self._fail("engine_lost")
        await trio.sleep_forever()

    async def _open(self, *, controlling: bool) -> None:
        with trio.fail_after(self._deadline_s):
            opened = await self._engine.open_link(
                self.id, controlling=controlling, lane=self._lane, beside=self._beside
            )
        parameters = LinkParameters(opened.ufrag, opened.password, opened.fingerprint, opened.candidates)
        self._report(EndOpened(end=self.id, parameters=parameters))

    async def _do(self, command: EndCommand) -> None:
        if isinstance(command, bytes):
            await self._send(command)
            return
        with trio.fail_after(self._deadline_s):
            match command:
                case ConnectEnd(parameters=far):
                    await self._engine.connect_link(
                        self.id,
                        ufrag=far.ufrag,
                        password=far.password,
                        fingerprint=far.fingerprint,
                        candidates=far.candidates,
                    )
                case SpanRoom():
                    await self._span(command)
                case _:
                    await self._change_leg(command)

    async def _change_leg(self, command: OpenLegIn | CloseLegIn | OpenLegOut | CloseLegOut) -> None:
        try:
            match command:
                case OpenLegIn():
                    await self._engine.open_leg_in(
                        self.id, leg=command.leg, track=command.track, kind=command.kind, room=command.room
                    )
                case CloseLegIn():
                    await self._engine.close_leg_in(self.id, leg=command.leg)
                case OpenLegOut():
                    await self._engine.open_leg_out(self.id, leg=command.leg, track=command.track, room=command.room)
                case CloseLegOut():
                    await self._engine.close_leg_out(self.id, leg=command.leg)
        except EngineRefused as error:
            # One leg is not worth the link, nor would a new link bring it.
            self.refusals["legs_refused"] += 1
            _log.warning("leg refused", end=self.id, node=self.node, leg=command.leg, code=error.code)

    async def _span(self, command: SpanRoom) -> None:
        try:
            await self._engine.span_room(self.id, room=command.room, spans=command.spans)
        except EngineRefused as error:
            self.refusals["spans_refused"] += 1
            _log.warning("room not spanned", end=self.id, node=self.node, room=command.room, code=error.code)

    async def _send(self, data: bytes) -> None:
        with trio.fail_after(CONGESTED_LIMIT_S):
            while True:
                try:
                    with trio.fail_after(self._deadline_s):
                        await self._engine.send_link(self.id, data)
                except EngineRefused as error:
                    if error.code != "link_congested":
                        raise
                    await trio.sleep(CONGESTED_PAUSE_S)
                else:
                    return

    def _fail(self, code: str) -> None:
        self._waiting.clear()
        if not self._has_failed:
            self._has_failed = True
            self._report(EndFailed(end=self.id, code=code))
