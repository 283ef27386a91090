"""Whatever a client, its node and the clock do: the promises of the protocol hold.

:func:`run` plays a schedule against a machine and checks every promise with a model of its own that
knows none of the machine's tables. The same schedules must break each of the mutants below.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from signalling.client.codec import encode
from signalling.client.events import (
    Close,
    CloseWanted,
    Deliver,
    Disconnected,
    NodeRequest,
    ProtocolEffect,
    ProtocolEvent,
    Push,
    Received,
    ReplyReady,
    Send,
    TimePassed,
)
from signalling.client.messages import (
    Error,
    Hello,
    Join,
    Leave,
    NodePing,
    Ok,
    Ping,
    PongReply,
    Reply,
    SeatLost,
)
from signalling.client.protocol import ClientProtocol, ProtocolLimits
from signalling.client.season import State
from signalling.errors import ErrorCode
from tests.unit.signalling.client.words import GRANTS, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Ask:
    """The client sends a request; with an id it expects exactly one reply."""

    which: int
    with_id: bool


@dataclass(frozen=True)
class Decide:
    """The node answers one of the requests it has."""

    which: int
    granted: bool


@dataclass(frozen=True)
class Babble:
    """The client sends something that is no message."""

    data: str | bytes


@dataclass(frozen=True)
class Wait:
    """Time goes by."""

    seconds: float


@dataclass(frozen=True)
class Do:
    """Anything else."""

    what: str


Step: TypeAlias = Ask | Decide | Babble | Wait | Do

OPENING = (Ask(0, True), Decide(0, True), Ask(1, True), Decide(0, True))
"""Hello and join, granted: without it few random schedules get into a room."""

STEP = st.one_of(
    st.builds(Ask, st.integers(0, len(REQUESTS) - 1), st.booleans()),
    st.builds(Decide, st.integers(0, 9), st.booleans()),
    st.builds(Do, st.sampled_from(["ping", "pong", "seat lost", "ping", "pong", "unfit"])),
    st.builds(Wait, st.floats(0.0, 12.0)),
)
ENDING = st.builds(Do, st.sampled_from(["close", "disconnect"])) | st.builds(Babble, st.text(max_size=8) | st.binary())
SCHEDULES = st.builds(
    lambda opening, steps, endings, more: [*OPENING[:opening], *steps, *endings, *more],
    st.integers(0, len(OPENING)),
    st.lists(STEP, max_size=25),
    st.lists(ENDING, max_size=1),
    st.lists(STEP, max_size=5),
)


class Model:
    """What is promised, checked after every step."""

    def __init__(self, machine: ClientProtocol) -> None:
        self.machine = machine
        self.now = 0.0
        self.asked: dict[int, NodeRequest | Ping] = {}
        self.next_id = 0
        self.inbox: dict[int, NodeRequest] = {}
        self.greeted = self.closed = False
        self.pinged = 0
        self.seat: int | None = None
        self.left: dict[int, int | None] = {}

    def feed(self, event: ProtocolEvent) -> None:
        was_closed = self.closed
        effects = self.machine.handle(event, self.now)
        assert not (was_closed and effects), "nothing follows the end"
        for position, effect in enumerate(effects):
            self.check(effect)
            assert not isinstance(effect, Close) or position == len(effects) - 1, "close comes last"
        deadline = self.machine.next_deadline()
        assert (deadline is None) == self.closed, "a deadline as long as it is open"
        if isinstance(event, TimePassed) and deadline is not None:
            assert deadline > self.now, "a deadline that was served lies behind"
        if not self.closed:
            waiting = {request.id for request in self.inbox.values() if request.id is not None}
            assert set(self.asked) == waiting, "who is not answered yet waits for the node"

    def check(self, effect: ProtocolEffect) -> None:
        match effect:
            case Send(message=Reply(id=int() as number)):
                assert number in self.asked, "one reply, and only to what was asked"
                del self.asked[number]
            case Send(message=NodePing(n=n)):
                assert self.greeted, "probes are not pinged"
                self.pinged = n
            case Deliver(handle=handle, request=request):
                assert handle not in self.inbox, "handles are new"
                undecided = [each for each in self.inbox.values() if isinstance(each, (Hello, Join))]
                assert not undecided, "nothing is delivered while it is unknown who or where one is"
                match request:
                    case Hello():
                        assert not self.greeted, "one hello"
                    case Join():
                        assert self.greeted, "no join before welcome"
                        assert self.seat is None, "one seat at a time"
                    case _:
                        assert self.seat is not None, "no media and no chat without a seat"
                self.inbox[handle] = request
                if isinstance(request, Leave):
                    self.left[handle] = self.seat
            case Close():
                self.closed = True
            case _:
                pass

    def play(self, step: Step) -> None:
        match step:
            case Ask(which=which, with_id=with_id):
                self.ask(REQUESTS[which], with_id=with_id)
            case Decide(which=which, granted=granted) if self.inbox:
                self.decide(sorted(self.inbox)[which % len(self.inbox)], granted=granted)
            case Babble(data=data):
                self.feed(Received(data=data))
                assert self.closed, "no second chance for garbage"
            case Wait(seconds=seconds):
                self.now += seconds
                self.feed(TimePassed())
            case Do(what="ping"):
                self.ask(Ping(), with_id=True)
            case Do(what="pong"):
                self.feed(Received(data=encode(PongReply(n=self.pinged))))
            case Do(what="unfit"):
                self.ask_unfit()
            case Do(what="seat lost") if self.seat is not None:
                self.seat = None
                self.feed(Push(event=SeatLost(reason="kicked")))
            case Do(what="close"):
                self.feed(CloseWanted(code=ErrorCode.NODE_DRAINING, reason="Draining."))
            case Do(what="disconnect"):
                self.closed = True
                self.feed(Disconnected())
            case _:
                pass

    def ask(self, request: NodeRequest | Ping, *, with_id: bool) -> None:
        number = None
        if with_id:
            self.next_id += 1
            number = self.next_id
            if not self.closed:
                self.asked[number] = request
        self.feed(Received(data=encode(msgspec.structs.replace(request, id=number))))

    def ask_unfit(self) -> None:
        self.next_id += 1
        was_open = not self.closed
        if was_open:
            self.asked[self.next_id] = Ping()
        self.feed(Received(data=json.dumps({"topic": "leave", "id": self.next_id, "why": 1})))
        assert not was_open or self.next_id not in self.asked, "one reply, also to what does not fit"
        assert not was_open or self.closed is (not self.greeted), "a session outlives it, a stranger's does not"

    def decide(self, handle: int, *, granted: bool) -> None:
        request = self.inbox.pop(handle)
        if granted and not self.closed:
            match request:
                case Hello():
                    self.greeted = True
                case Join():
                    self.seat = handle
                case Leave() if self.left[handle] == self.seat:
                    self.seat = None
                case _:
                    pass
        refusal = Error(code=ErrorCode.NOT_PERMITTED, message="No.")
        self.feed(ReplyReady(handle=handle, reply=GRANTS[type(request)] if granted else refusal))


def run(make: Callable[[], ClientProtocol], schedule: list[Step]) -> None:
    """Play a schedule; AssertionError when a promise is broken."""
    model = Model(make())
    for step in schedule:
        model.play(step)


@settings(max_examples=300)
@given(SCHEDULES)
def test_the_promises_hold(schedule: list[Step]) -> None:
    run(lambda: ClientProtocol(now=0.0, limits=ProtocolLimits(max_unfit_in_a_row=100)), schedule)


class SpeaksAfterClose(ClientProtocol):
    @override
    def _end(self) -> None:
        self._waiting.clear()


class RepliesTwice(ClientProtocol):
    @override
    def handle(self, event: ProtocolEvent, now: float) -> tuple[ProtocolEffect, ...]:
        effects = super().handle(event, now)
        return (*effects, *effects) if isinstance(event, ReplyReady) and len(effects) == 1 else effects


class ForgetsToReply(ClientProtocol):
    @override
    def handle(self, event: ProtocolEvent, now: float) -> tuple[ProtocolEffect, ...]:
        effects = super().handle(event, now)
        if isinstance(event, ReplyReady) and len(effects) == 1 and isinstance(effects[0], Send):
            return () if isinstance(effects[0].message, Ok) else effects
        return effects


class JoinsTwice(ClientProtocol):
    @override
    def handle(self, event: ProtocolEvent, now: float) -> tuple[ProtocolEffect, ...]:
        if self._state is State.IN_ROOM and isinstance(event, Received) and '"join"' in str(event.data):
            self._state = State.GREETED
        return super().handle(event, now)


class ForgivesGarbage(ClientProtocol):
    @override
    def _drop(self, code: ErrorCode, sentence: str) -> tuple[ProtocolEffect, ...]:
        if code is ErrorCode.MALFORMED_MESSAGE:
            return ()
        return super()._drop(code, sentence)


class PingsForEver(ClientProtocol):
    @override
    def next_deadline(self) -> float | None:
        deadline = super().next_deadline()
        return None if deadline is None else min(deadline, self._pinged_at)


MUTANTS = [SpeaksAfterClose, RepliesTwice, ForgetsToReply, JoinsTwice, ForgivesGarbage, PingsForEver]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_property_kills_the_mutant(mutant: type[ClientProtocol]) -> None:
    @settings(
        max_examples=2000,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(SCHEDULES)
    def attack(schedule: list[Step]) -> None:
        run(lambda: mutant(now=0.0), schedule)

    with pytest.raises(AssertionError):
        attack()
