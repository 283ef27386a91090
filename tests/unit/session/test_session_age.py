"""A session is renewed for so long, from the first token of its line on, whichever node renews it."""

from __future__ import annotations

import pytest

from session.token_lifetimes import TokenLifetimes
from session.tokens import LEEWAY_S, Tokens
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, SessionId, UserId
from tests.unit.session.test_tokens import KEYS, NOW, Clock, body, head, sign

DAY_S = 86_400.0
LIFETIMES = TokenLifetimes(session_age_s=30 * DAY_S)
SESSION = SessionId("0123456789abcdef" * 2)


def at(clock: Clock) -> Tokens:
    return Tokens(KEYS, cluster="alps", clock=clock, lifetimes=LIFETIMES)


def issued(tokens: Tokens, born: float | None = None) -> str:
    return tokens.issue_session(
        user=UserId("us_1"), device=DeviceId("device-01"), name="Ann", session=SESSION, born=born
    )


def refusal(tokens: Tokens, token: str) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        tokens.verify_session(token)
    return refused.value.code


def test_a_line_of_tokens_ends_when_the_first_is_too_old() -> None:
    clock = Clock()
    token, renewals = issued(at(clock)), 0
    while True:
        claims = at(clock).verify_session(token)
        assert claims.born is not None
        assert claims.born == NOW
        assert claims.expires_at <= NOW + LIFETIMES.session_age_s
        if not at(clock).is_renewed(claims.born):
            break
        clock.now += LIFETIMES.session_s / 2
        token = issued(at(clock), claims.born)
        renewals += 1
    assert renewals == 30 * 48
    clock.now += LEEWAY_S
    assert refusal(at(clock), token) is ErrorCode.TOKEN_EXPIRED
    assert at(clock).verify_session(issued(at(clock))).born == clock.now, "who signs in again begins anew"


def test_a_token_that_lives_longer_than_its_line_is_too_old() -> None:
    """One of a node with another setting."""
    clock = Clock()
    token = sign(head(), body(exp=NOW + 90 * DAY_S, born=NOW - 20 * DAY_S))
    assert at(clock).verify_session(token).born == NOW - 20 * DAY_S
    clock.now += 10 * DAY_S + LEEWAY_S
    assert refusal(at(clock), token) is ErrorCode.TOKEN_EXPIRED


def test_a_token_of_an_older_node_counts_from_when_it_was_issued() -> None:
    clock = Clock()
    assert at(clock).verify_session(sign(head(), body())).born == NOW


@pytest.mark.parametrize("born", ["1", True, [], -1, 2.0**41])
def test_an_odd_birth_is_refused(born: object) -> None:
    assert refusal(at(Clock()), sign(head(), body(born=born))) is ErrorCode.TOKEN_INVALID
