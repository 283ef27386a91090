"""A store that was rolled back or emptied: the owners' asserts heal it, and nobody who is in is put out."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from session import registry, seat_table
from session.seat_table import SeatTable
from session.store import SeatAnswer, Verdict
from signalling.ids import SessionId
from tests.unit.session.cluster_model import RENEW_S, ClusterModel, Player, rejoin
from tests.unit.session.seats import ROOM

PLAYERS = (
    Player("s1", "laptop-01", 1, "n1"),
    Player("s2", "laptop-01", 2, "n2"),
    Player("s3", "phone-001", 1, "n1"),
)


@dataclass
class RollingModel(ClusterModel):
    """A cluster whose store may come back as it was: a replica was promoted, or an old file was loaded."""

    kept: list[bytes] = field(default_factory=list)

    def keep(self) -> None:
        self.kept.append(pickle.dumps(self.table))

    def roll_back(self, back: int) -> None:
        """To one of the states that were kept, the newest first; to nothing when there are too few."""
        if back >= len(self.kept):
            self.empty_store()
            return
        table = pickle.loads(self.kept[-1 - back])
        assert isinstance(table, SeatTable)
        self.table = table
        self.released.clear()
        self.store_behind = True

    def arrive(self) -> None:
        while self.messages:
            self.move(0)

    def holders(self) -> set[str]:
        return {
            session
            for session, player in self.players.items()
            if player.node in self.nodes and self.nodes[player.node].seat(SessionId(session), ROOM)
        }


def rolling(*, same_node: bool, same_device: bool) -> RollingModel:
    model = rejoin(same_node=same_node, same_device=same_device)
    return RollingModel(players=model.players, nodes=model.nodes, table=model.table)


both = pytest.mark.parametrize("same_node", [True, False])
either = pytest.mark.parametrize("same_device", [True, False])


@both
@either
def test_the_newer_join_stands_after_a_rollback_to_before_it(same_node: bool, same_device: bool) -> None:
    model = rolling(same_node=same_node, same_device=same_device)
    model.join("s1")
    model.arrive()
    model.keep()
    model.join("s2")
    model.arrive()
    model.roll_back(0)
    assert model.table.live_sessions(ROOM, round(model.now * 1000)) == {"s1"}
    model.pass_time(RENEW_S)
    model.arrive()
    assert model.table.live_sessions(ROOM, round(model.now * 1000)) == {"s2"}, "healed within a renewal"
    model.settle()
    assert model.holders() == {"s2"}


@both
@either
def test_the_newer_join_stands_after_the_store_was_emptied(same_node: bool, same_device: bool) -> None:
    model = rolling(same_node=same_node, same_device=same_device)
    model.join("s1")
    model.join("s2")
    model.arrive()
    model.empty_store()
    model.pass_time(RENEW_S)
    model.arrive()
    assert model.table.live_sessions(ROOM, round(model.now * 1000)) == {"s2"}
    model.settle()
    assert model.holders() == {"s2"}


def test_a_seat_that_was_given_back_is_a_ghost_for_no_longer_than_its_lease() -> None:
    model = rolling(same_node=False, same_device=True)
    model.join("s1")
    model.arrive()
    model.keep()
    model.leave("s1")
    model.arrive()
    model.roll_back(0)
    model.settle()
    assert model.holders() == set()


@both
def test_a_join_in_between_is_later_than_what_the_rolled_back_store_remembers(same_node: bool) -> None:
    model = rolling(same_node=same_node, same_device=False)
    model.keep()
    model.join("s1")
    model.arrive()
    model.roll_back(0)
    model.join("s2")
    model.arrive()
    model.settle()
    assert model.holders() == {"s2"}
    assert model.lost == {"s1": "replaced"}


acts = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from(["s1", "s2", "s3"])),
        st.tuples(st.sampled_from(["leave", "close"]), st.sampled_from(["s1", "s2", "s3"])),
        st.tuples(st.just("pass_time"), st.sampled_from([0.5, 2.5, 6.0])),
        st.tuples(st.just("keep")),
        st.tuples(st.just("keep")),
        st.tuples(st.just("roll_back"), st.integers(0, 2)),
        st.tuples(st.just("roll_back"), st.integers(0, 2)),
        st.tuples(st.just("move"), st.integers(0, 7)),
        st.tuples(st.just("move"), st.integers(0, 7)),
        st.tuples(st.just("move"), st.integers(0, 7)),
    ),
    max_size=40,
)


def walk(steps: list[tuple[object, ...]]) -> None:
    base = ClusterModel.of(*PLAYERS)
    model = RollingModel(players=base.players, nodes=base.nodes, table=base.table)
    joined: set[object] = set()
    for name, *arguments in steps:
        if name == "move":
            if model.messages:
                model.move(int(str(arguments[0])) % len(model.messages))
        elif name in ("join", "leave", "close"):
            if (name == "join") != (arguments[0] in joined):
                joined.add(arguments[0])
                getattr(model, str(name))(*arguments)
        else:
            getattr(model, str(name))(*arguments)
    model.settle()


@settings(max_examples=500, deadline=None)
@given(acts)
def test_any_rollback_at_any_time_heals(steps: list[tuple[object, ...]]) -> None:
    walk(steps)


def _unknown_is_nothing(change: seat_table._Change) -> SeatAnswer:
    """A touch that takes what it does not find for its own: nobody would assert."""
    if change._is_mine():
        return change._renew(change._slot.mark)
    return change._answer(Verdict.OK)


def test_a_store_that_hides_what_it_forgot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_table._Change, "touch", _unknown_is_nothing)

    @settings(max_examples=500, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(acts)
    def attempt(steps: list[tuple[object, ...]]) -> None:
        walk(steps)

    with pytest.raises(AssertionError):
        attempt()


def test_a_registry_that_never_asserts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful:
        """The verdicts, with `unknown` read as `ok`."""

        OK, SUPERSEDED, BANNED = Verdict.UNKNOWN, Verdict.SUPERSEDED, Verdict.BANNED
        UNKNOWN, FULL, CHANGED = Verdict.OK, Verdict.FULL, Verdict.CHANGED
        LOCKED, OCCUPIED = Verdict.LOCKED, Verdict.OCCUPIED

    monkeypatch.setattr(registry, "Verdict", Forgetful)
    with pytest.raises(AssertionError):
        test_the_newer_join_stands_after_the_store_was_emptied(same_node=False, same_device=True)
