"""The machine of one connection, row by row of its tables."""

from __future__ import annotations

import msgspec
import pytest

from signalling.client.codec import encode
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
    ClientMessage,
    Error,
    Hello,
    Join,
    Leave,
    NodePing,
    Ok,
    Ping,
    Pong,
    PongReply,
    Publish,
    Replaced,
    Request,
    SeatLost,
    Trickle,
)
from signalling.client.protocol import ClientProtocol, LocalProtocolError, ProtocolLimits
from signalling.client.season import REPLY_TO, SEASON, State
from signalling.errors import ErrorCode
from signalling.ids import RoomId
from tests.unit.signalling.client.words import GRANTS, REQUESTS

HELLO, JOIN, LEAVE, PUBLISH, _, TRICKLE, MUTE, _, CHAT = REQUESTS[:9]

PATHS: dict[State, tuple[tuple[NodeRequest, bool], ...]] = {
    State.PROBE: (),
    State.GREETING: ((HELLO, False),),
    State.GREETED: ((HELLO, True),),
    State.JOINING: ((HELLO, True), (JOIN, False)),
    State.IN_ROOM: ((HELLO, True), (JOIN, True)),
    State.LEAVING: ((HELLO, True), (JOIN, True), (LEAVE, False)),
}
"""How to get to each state: requests, and whether the node has granted them."""


class Bench:
    """A protocol with a clock to turn and a node that answers when told to."""

    def __init__(self, state: State = State.PROBE, **limits: float) -> None:
        self.now = 0.0
        self.protocol = ClientProtocol(now=0.0, limits=msgspec.convert(limits, ProtocolLimits))
        self.handles: dict[type[Request], int] = {}
        for request, granted in PATHS[state]:
            self.say(request)
            if granted:
                self.grant(type(request))
        assert self.protocol.state is state

    def feed(self, event: ProtocolEvent) -> tuple[ProtocolEffect, ...]:
        effects = self.protocol.handle(event, self.now)
        for effect in effects:
            if isinstance(effect, Deliver):
                self.handles[type(effect.request)] = effect.handle
        return effects

    def say(self, message: ClientMessage, *, number: int | None = None) -> tuple[ProtocolEffect, ...]:
        return self.feed(Received(data=encode(msgspec.structs.replace(message, id=number))))

    def grant(self, kind: type[NodeRequest]) -> tuple[ProtocolEffect, ...]:
        return self.feed(ReplyReady(handle=self.handles[kind], reply=GRANTS[kind]))

    def refuse(self, kind: type[NodeRequest], code: ErrorCode) -> tuple[ProtocolEffect, ...]:
        return self.feed(ReplyReady(handle=self.handles[kind], reply=Error(code=code, message="No.")))

    def wait(self, seconds: float) -> tuple[ProtocolEffect, ...]:
        self.now += seconds
        return self.feed(TimePassed())


def dropped(effects: tuple[ProtocolEffect, ...], code: ErrorCode, number: int) -> bool:
    match effects:
        case (Send(message=Error(id=None, code=said)), Close(close_code=closed, code=why)):
            return said == why == code and closed == number
        case _:
            return False


def refused(effects: tuple[ProtocolEffect, ...], code: ErrorCode, request_id: int | None) -> bool:
    match effects:
        case (Send(message=Error(id=said_to, code=said)),):
            return said == code and said_to == request_id
        case _:
            return False


@pytest.mark.parametrize("state", PATHS)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_a_request_is_delivered_in_season_and_refused_out_of_it(state: State, request_: NodeRequest) -> None:
    bench = Bench(state)
    effects = bench.say(request_, number=7)
    leads_to = SEASON[state].get(type(request_))
    if leads_to is None:
        assert isinstance(effects[0], Send)
        assert isinstance(effects[0].message, Error)
        assert effects[0].message.id == 7
        assert bench.protocol.state is state
    else:
        (delivered,) = effects
        assert isinstance(delivered, Deliver)
        assert delivered.request == msgspec.structs.replace(request_, id=7)
        assert bench.protocol.state is leads_to


@pytest.mark.parametrize(
    ("state", "request_", "code"),
    [
        (State.PROBE, JOIN, ErrorCode.UNEXPECTED_MESSAGE),
        (State.GREETING, HELLO, ErrorCode.UNEXPECTED_MESSAGE),
        (State.GREETED, HELLO, ErrorCode.UNEXPECTED_MESSAGE),
        (State.GREETED, CHAT, ErrorCode.NOT_IN_ROOM),
        (State.GREETED, LEAVE, ErrorCode.NOT_IN_ROOM),
        (State.JOINING, PUBLISH, ErrorCode.UNEXPECTED_MESSAGE),
        (State.IN_ROOM, JOIN, ErrorCode.ALREADY_IN_ROOM),
        (State.LEAVING, CHAT, ErrorCode.UNEXPECTED_MESSAGE),
    ],
)
def test_why_a_request_is_out_of_season(state: State, request_: NodeRequest, code: ErrorCode) -> None:
    assert refused(Bench(state).say(request_, number=1), code, 1)


@pytest.mark.parametrize(
    ("state", "request_", "granted", "refused_"),
    [
        (State.GREETING, Hello, State.GREETED, State.CLOSED),
        (State.JOINING, Join, State.IN_ROOM, State.GREETED),
        (State.LEAVING, Leave, State.GREETED, State.IN_ROOM),
    ],
)
def test_where_a_reply_leads(state: State, request_: type[NodeRequest], granted: State, refused_: State) -> None:
    yes, no = Bench(state), Bench(state)
    yes.grant(request_)
    no.refuse(request_, ErrorCode.ROOM_FULL)
    assert (yes.protocol.state, no.protocol.state) == (granted, refused_)


def test_every_request_has_a_kind_of_reply() -> None:
    in_season = {kind for kinds in SEASON.values() for kind in kinds}
    assert in_season == set(REPLY_TO) == {type(request) for request in REQUESTS}


def test_replies_carry_the_id_of_their_request_in_any_order() -> None:
    bench = Bench(State.IN_ROOM)
    bench.say(CHAT, number=11)
    bench.say(PUBLISH, number=12)
    (published,), (sent,) = bench.grant(Publish), bench.grant(type(CHAT))
    assert isinstance(published, Send)
    assert isinstance(sent, Send)
    assert published.message == msgspec.structs.replace(GRANTS[Publish], id=12)
    assert sent.message == msgspec.structs.replace(GRANTS[type(CHAT)], id=11)


def test_without_an_id_a_bare_ok_is_not_sent_but_a_refusal_is() -> None:
    bench = Bench(State.IN_ROOM)
    bench.say(TRICKLE)
    assert bench.grant(Trickle) == ()
    bench.say(TRICKLE)
    assert refused(bench.refuse(Trickle, ErrorCode.NOT_IN_ROOM), ErrorCode.NOT_IN_ROOM, None)


def test_an_answer_that_nobody_asked_for_is_our_own_defect_and_changes_nothing() -> None:
    bench = Bench(State.IN_ROOM)
    bench.say(PUBLISH, number=1)
    with pytest.raises(LocalProtocolError):
        bench.feed(ReplyReady(handle=999, reply=Ok()))
    with pytest.raises(LocalProtocolError):
        bench.feed(ReplyReady(handle=bench.handles[Publish], reply=Ok()))
    assert bench.protocol.outstanding == 1
    bench.grant(Publish)
    with pytest.raises(LocalProtocolError):
        bench.grant(Publish)


def test_a_reply_after_the_end_is_dropped() -> None:
    bench = Bench(State.IN_ROOM)
    bench.say(PUBLISH, number=1)
    bench.feed(Disconnected())
    assert bench.grant(Publish) == ()
    assert bench.protocol.next_deadline() is None


def test_a_refused_hello_is_answered_and_ends_the_connection() -> None:
    bench = Bench()
    bench.say(HELLO, number=1)
    answer, close = bench.refuse(Hello, ErrorCode.TOKEN_EXPIRED)
    assert answer == Send(message=Error(id=1, code="token_expired", message="No."))
    assert close == Close(close_code=4401, code=ErrorCode.TOKEN_EXPIRED, reason="No.")


def test_another_protocol_version_is_refused() -> None:
    answer, close = Bench().say(Hello(token="t", protocol=99), number=1)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, Error)
    assert (answer.message.id, answer.message.code) == (1, "protocol_unsupported")
    assert isinstance(close, Close)
    assert close.close_code == 4426


@pytest.mark.parametrize("data", ["", "null", '{"topic":"dance"}', b"\x00", "[" * 10_000])
def test_the_first_malformed_message_ends_the_connection(data: str | bytes) -> None:
    bench = Bench(State.IN_ROOM)
    assert dropped(bench.feed(Received(data=data)), ErrorCode.MALFORMED_MESSAGE, 4400)
    assert bench.say(Ping()) == ()


def test_a_message_too_large_ends_the_connection() -> None:
    bench = Bench(max_message_bytes=100)
    assert dropped(bench.feed(Received(data=" " * 101)), ErrorCode.MESSAGE_TOO_LARGE, 4413)


def test_an_id_may_not_be_used_twice_at_a_time() -> None:
    bench = Bench(State.IN_ROOM)
    bench.say(PUBLISH, number=1)
    assert dropped(bench.say(CHAT, number=1), ErrorCode.MALFORMED_MESSAGE, 4400)


def test_an_id_may_be_used_again_after_its_reply() -> None:
    bench = Bench(State.IN_ROOM)
    for _ in range(2):
        bench.say(PUBLISH, number=1)
        assert len(bench.grant(Publish)) == 1


def test_too_many_waiting_requests_are_refused_one_by_one() -> None:
    bench = Bench(State.IN_ROOM, max_outstanding=2)
    bench.say(PUBLISH, number=1)
    bench.say(CHAT, number=2)
    assert refused(bench.say(MUTE, number=3), ErrorCode.RATE_LIMITED, 3)
    bench.grant(Publish)
    assert isinstance(bench.say(MUTE, number=4)[0], Deliver)


def test_talking_too_fast_ends_the_connection() -> None:
    bench = Bench(messages_per_s=1.0, message_burst=3)
    for _ in range(3):
        assert bench.say(Ping(), number=1) == (Send(message=Pong(id=1)),)
    assert dropped(bench.say(Ping(), number=1), ErrorCode.RATE_LIMITED, 4429)


# --- time -------------------------------------------------------------------------------------


def test_a_socket_that_says_nothing_is_dropped() -> None:
    bench = Bench()
    assert bench.protocol.next_deadline() == 10.0
    assert bench.wait(9.9) == ()
    assert dropped(bench.wait(0.1), ErrorCode.HELLO_TIMEOUT, 4408)


def test_a_probe_is_answered_until_its_time_is_over() -> None:
    bench = Bench()
    assert bench.say(Ping(), number=1) == (Send(message=Pong(id=1)),)
    assert bench.protocol.next_deadline() == 30.0
    assert bench.wait(29) == ()
    assert bench.wait(1) == (Close(close_code=1000, code=None, reason="The probe is over."),)


def test_a_probe_may_become_a_session() -> None:
    bench = Bench()
    bench.say(Ping())
    bench.now = 29.0
    assert isinstance(bench.say(HELLO)[0], Deliver)


def test_a_hello_that_the_node_never_answers_ends() -> None:
    assert dropped(Bench(State.GREETING).wait(60), ErrorCode.DEADLINE_EXCEEDED, 4408)


def test_the_node_pings_and_measures() -> None:
    bench = Bench(State.IN_ROOM)
    assert bench.protocol.next_deadline() == 5.0
    assert bench.wait(5) == (Send(message=NodePing(n=1)),)
    bench.now += 0.25
    assert bench.say(PongReply(n=1)) == (Answered(),)
    assert bench.say(PongReply(n=1)) == ()
    assert bench.protocol.rtt_s == 0.25
    assert bench.protocol.next_deadline() == 10.0
    assert bench.wait(4.75) == (Send(message=NodePing(n=2)),)


def test_a_pong_with_another_number_does_not_count() -> None:
    bench = Bench(State.GREETED)
    bench.wait(5)
    bench.say(PongReply(n=99))
    assert dropped(bench.wait(10), ErrorCode.PING_TIMEOUT, 4410)


def test_other_messages_do_not_stand_in_for_a_pong() -> None:
    bench = Bench(State.GREETED)
    bench.wait(5)
    bench.now += 9
    bench.say(Ping())
    assert dropped(bench.wait(1), ErrorCode.PING_TIMEOUT, 4410)


def test_a_ping_out_of_turn_is_answered_or_ends_the_connection() -> None:
    bench = Bench(State.IN_ROOM)
    bench.now = 1.0
    assert bench.feed(PingWanted(within_s=2.0)) == (Send(message=NodePing(n=1)),)
    assert bench.say(PongReply(n=1)) == (Answered(),)
    bench.now = 3.0
    bench.feed(PingWanted(within_s=2.0))
    assert bench.wait(1.9) == ()
    assert dropped(bench.wait(0.1), ErrorCode.PING_TIMEOUT, 4410)


def test_a_ping_that_is_on_its_way_gets_less_time_and_never_more() -> None:
    bench = Bench(State.IN_ROOM)
    bench.wait(5)
    assert bench.feed(PingWanted(within_s=2.0)) == ()
    assert bench.protocol.next_deadline() == 7.0
    bench.feed(PingWanted(within_s=20.0))
    assert bench.protocol.next_deadline() == 7.0
    assert bench.say(PongReply(n=1)) == (Answered(),)
    assert bench.protocol.next_deadline() == 10.0


def test_who_has_no_session_yet_is_not_pinged() -> None:
    assert Bench(State.PROBE).feed(PingWanted(within_s=2.0)) == ()


# --- what the node says -----------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.PROBE, State.GREETING])
def test_nothing_is_pushed_before_welcome(state: State) -> None:
    with pytest.raises(LocalProtocolError):
        Bench(state).feed(Push(event=SeatLost(reason="kicked")))


def test_a_lost_seat_leaves_the_socket() -> None:
    bench = Bench(State.IN_ROOM)
    assert bench.feed(Push(event=SeatLost(reason="kicked"))) == (Send(message=SeatLost(reason="kicked")),)
    assert bench.protocol.state is State.GREETED
    assert isinstance(bench.say(JOIN)[0], Deliver)


def test_a_late_reply_to_an_old_leave_does_not_disturb_a_new_join() -> None:
    bench = Bench(State.LEAVING)
    bench.feed(Push(event=SeatLost(reason="kicked")))
    bench.say(JOIN, number=2)
    bench.refuse(Leave, ErrorCode.NOT_IN_ROOM)
    assert bench.protocol.state is State.JOINING


def test_replaced_is_final() -> None:
    bench = Bench(State.IN_ROOM)
    said, close = bench.feed(Push(event=Replaced()))
    assert said == Send(message=Replaced())
    assert isinstance(close, Close)
    assert close.close_code == 4409
    assert bench.say(Join(room=RoomId("lobby"), attempt=2)) == ()


def test_the_node_may_end_it_with_or_without_a_reason_to_complain() -> None:
    assert dropped(
        Bench(State.IN_ROOM).feed(CloseWanted(code=ErrorCode.NODE_DRAINING, reason="Draining.")),
        ErrorCode.NODE_DRAINING,
        4503,
    )
    assert Bench().feed(CloseWanted(code=None, reason="Bye.")) == (Close(close_code=1000, code=None, reason="Bye."),)
