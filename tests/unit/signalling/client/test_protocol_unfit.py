"""Requests whose contents do not fit: answered where that is possible, and bounded."""

from __future__ import annotations

import pytest

from signalling.client.events import Close, Received, Send
from signalling.client.messages import Error, Ping, Publish
from signalling.client.season import State
from signalling.errors import ErrorCode
from tests.unit.signalling.client.test_protocol import PUBLISH, Bench, dropped, refused


def test_a_request_that_does_not_fit_costs_itself_and_nothing_else() -> None:
    bench = Bench(State.IN_ROOM)
    bench.say(PUBLISH, number=1)
    for data, names in (
        ('{"topic":"chat","id":5,"text":3,"nonce":"n"}', "`text`"),
        ('{"topic":"chat","id":5,"nonce":"n"}', "`text`"),
        ('{"topic":"leave","id":5,"why":1}', "`why`"),
        ('{"topic":"dance","id":5}', "topic"),
    ):
        effects = bench.feed(Received(data=data))
        assert refused(effects, ErrorCode.MALFORMED_MESSAGE, 5)
        assert isinstance(effects[0], Send)
        assert isinstance(effects[0].message, Error)
        assert names in effects[0].message.message
    assert bench.protocol.state is State.IN_ROOM
    assert len(bench.grant(Publish)) == 1


@pytest.mark.parametrize(
    "data",
    [
        '{"topic":"chat","text":3}',
        '{"topic":"chat","id":-1,"text":3}',
        '{"topic":"chat","id":"5","text":3}',
        '{"topic":7,"id":5}',
        '[{"topic":"chat","id":5}]',
        '{"topic":"chat","id":5,"text":3',
    ],
)
def test_what_cannot_be_answered_ends_the_connection(data: str) -> None:
    assert dropped(Bench(State.IN_ROOM).feed(Received(data=data)), ErrorCode.MALFORMED_MESSAGE, 4400)


def test_before_welcome_a_request_that_does_not_fit_is_the_last() -> None:
    answer, close = Bench().feed(Received(data='{"topic":"hello","id":1}'))
    assert isinstance(answer, Send)
    assert isinstance(answer.message, Error)
    assert answer.message.id == 1
    assert isinstance(close, Close)
    assert close.close_code == 4400


def test_many_unfit_requests_in_a_row_end_the_connection() -> None:
    bench = Bench(State.IN_ROOM, max_unfit_in_a_row=3)
    unfit = Received(data='{"topic":"leave","id":5,"why":1}')
    for _ in range(2):  # a good message between them starts the count again
        assert len(bench.feed(unfit)) == len(bench.feed(unfit)) == 1
        bench.say(Ping(), number=6)
    bench.feed(unfit)
    bench.feed(unfit)
    answer, farewell, close = bench.feed(unfit)
    assert refused((answer,), ErrorCode.MALFORMED_MESSAGE, 5)
    assert dropped((farewell, close), ErrorCode.MALFORMED_MESSAGE, 4400)


def test_an_unfit_request_may_not_borrow_the_id_of_one_that_waits() -> None:
    bench = Bench(State.IN_ROOM)
    bench.say(PUBLISH, number=5)
    unfit = Received(data='{"topic":"leave","id":5,"why":1}')
    assert dropped(bench.feed(unfit), ErrorCode.MALFORMED_MESSAGE, 4400)
