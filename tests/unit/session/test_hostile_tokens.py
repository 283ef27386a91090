"""No hostile token is believed at any door, and each is refused with one of three codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from session.keys import ClusterKeys
from session.tokens import Tokens
from signalling.errors import ErrorCode, Refused
from signalling.ids import SessionId
from tests.unit.session.hostile_tokens import KINDS, SESSION, Forge, hostile_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000.0
KEYS = ClusterKeys.generate()
CORPUS = hostile_tokens(KEYS, cluster="alps", now=NOW)
CODES = {ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_EXPIRED, ErrorCode.TOKEN_FOREIGN}


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(KEYS, cluster="alps", clock=lambda: NOW)


def believed(tokens: Tokens, token: str) -> list[str]:
    """Which doors let it in."""
    doors: dict[str, Callable[[], object]] = {
        "user": lambda: tokens.verify_user(token),
        "session": lambda: tokens.verify_session(token),
        "room": lambda: tokens.verify_room(token, session=SessionId(SESSION)),
    }
    open_doors: list[str] = []
    for name, door in doors.items():
        try:
            door()
        except Refused as refused:
            if refused.code not in CODES:
                open_doors.append(f"{name}: {refused.code}")
        else:
            open_doors.append(name)
    return open_doors


def test_the_corpus_is_large_and_has_no_token_twice() -> None:
    assert len({hostile.token for hostile in CORPUS}) >= 300


def test_what_the_corpus_starts_from_is_believed_at_its_own_door_alone(tokens: Tokens) -> None:
    forge = Forge(KEYS, "alps", NOW)
    for kind in KINDS:
        assert believed(tokens, forge.good(kind)) == [kind]


def test_none_is_believed(tokens: Tokens) -> None:
    assert {hostile.name: doors for hostile in CORPUS if (doors := believed(tokens, hostile.token))} == {}
