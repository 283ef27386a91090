"""Pings: who misses two rounds in a row is silent, and a round that says nothing changes nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import trio
from hypothesis import given
from hypothesis import strategies as st

from membership import GossipUnavailableError
from membership.members.tags import AgentKind
from membership.queries import pings
from membership.queries.pings import MAX_MISSES, PingBoard, Pings

if TYPE_CHECKING:
    import pytest
    from trio.testing import MockClock

    from membership.config import MembershipConfig

names = st.sampled_from(["ada", "bob", "eve"])
rounds = st.lists(st.tuples(st.frozensets(names), st.frozensets(names)), max_size=12)


def test_one_miss_is_none_and_an_answer_ends_silence() -> None:
    board = PingBoard()
    board.tell(asked={"ada", "bob"}, answered={"ada"})
    assert board.silent == frozenset()
    board.keep({"ada", "bob"})
    board.tell(asked={"ada", "bob"}, answered={"ada"})
    assert board.silent == {"bob"}
    board.tell(asked={"ada", "bob"}, answered={"bob"})
    assert board.silent == frozenset()
    board.tell(asked={"ada"}, answered=())
    assert board.silent == {"ada"}


def test_who_is_asked_no_more_is_forgotten() -> None:
    board = PingBoard()
    for _ in range(MAX_MISSES):
        board.tell(asked={"ada", "bob"}, answered=())
    board.keep({"bob"})
    assert board.silent == {"bob"}


@given(rounds)
def test_silent_is_who_missed_the_last_rounds_and_nobody_else(
    told: list[tuple[frozenset[str], frozenset[str]]],
) -> None:
    board = PingBoard()
    for asked, answered in told:
        board.tell(asked=asked, answered=answered)
    last = told[-MAX_MISSES:]
    expected = (
        {name for name in ("ada", "bob", "eve") if all(name in asked and name not in got for asked, got in last)}
        if len(last) == MAX_MISSES
        else set()
    )
    assert board.silent == expected


async def test_what_was_asked_and_not_answered_is_counted(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """A round that says nothing, because not even the own agent answered, counts for nothing."""
    answers: list[set[str] | None] = [{"me-1", "ada-1"}, {"ada-1", "bob-1"}, None, {"me-1", "ada-1", "bob-1"}]
    told: list[frozenset[str]] = []

    async def inquire(*_about: object, **_how: object) -> dict[str, bytes]:
        await trio.lowlevel.checkpoint()
        answered = answers.pop(0)
        if answered is None:
            raise GossipUnavailableError("no agent")
        return dict.fromkeys(answered, b"")

    monkeypatch.setattr(pings, "inquire", inquire)
    config = SimpleNamespace(node_id="me", query_timeout_s=1.0, call_deadline_s=1.0, ping_interval_s=3.0)
    alive: list[Any] = [
        SimpleNamespace(node_id=name, serf_name=f"{name}-1", tags=SimpleNamespace(agent=AgentKind.EXTERNAL))
        for name in ("me", "ada", "bob")
    ]
    asking = Pings(
        cast("MembershipConfig", config),
        alive=lambda: alive,
        endpoint=lambda: cast("Any", SimpleNamespace(name="me-1")),
        tell=told.append,
    )
    with trio.move_on_after(3.5 * config.ping_interval_s):
        await asking.run()
    assert (len(told), asking.rounds, asking.sent, asking.unanswered) == (4, 2, 4, 1)
