"""The policy `reject`, walked at random: nobody who is there loses a seat to another device, nobody waits for ever."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from session import seat_table
from session.records import HolderState
from session.registry_events import HolderAnswered, Tick
from session.store import RoomPolicy
from signalling.errors import ErrorCode
from signalling.ids import SessionId
from tests.unit.session.cluster_model import ClusterModel, Player
from tests.unit.session.seats import ROOM, by

PLAYERS = (
    Player("s1", "laptop-01", 1, "n1"),
    Player("s2", "laptop-01", 2, "n2"),
    Player("s3", "phone-001", 1, "n1"),
    Player("s4", "tablet-01", 1, "n2"),
)
OVERDUE_S = 2.5


@dataclass
class RejectModel(ClusterModel):
    """A cluster with a store that answers, and people who may fall silent without their socket noticing."""

    silent: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    def join(self, session: str) -> None:
        self.asked.add(session)
        super().join(session)

    def fall_silent(self, session: str) -> None:
        """Nothing is heard of it any more; its node finds out when it asks."""
        self.silent.add(session)
        self._end(session)

    def find_out(self, index: int) -> None:
        """The node of a holder asks it; the answer goes to whoever wanted to know."""
        question = self.questions.pop(index)
        holder, room = question.holder, question.room
        state = HolderState.UNREACHABLE
        if question.node in self.nodes:
            is_there = holder not in self.silent and self.nodes[question.node].keeps_others_out(holder, room)
            state = HolderState.ALIVE if is_there else HolderState.SILENT
        for node in sorted(self.nodes):
            self._tell(node, HolderAnswered(holder=holder, room=room, state=state))

    def pass_time(self, seconds: float) -> None:
        self.arrive()
        super().pass_time(seconds)

    def arrive(self) -> None:
        while self.messages:
            self.move(0)

    def check_nobody_there_was_put_out(self) -> None:
        for session, reason in self.lost.items():
            me = self.players[session]
            heirs = {
                name
                # A newer join of the device ends this one, whether or not it waited for its answer.
                for name in self.asked
                if self.players[name].device == me.device and self.players[name].attempt > me.attempt
            }
            assert session in self.ended or heirs, f"{session} was there and lost its seat ({reason})"


acts = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from(["s1", "s2", "s3", "s4"])),
        st.tuples(st.just("join"), st.sampled_from(["s1", "s2", "s3", "s4"])),
        st.tuples(st.sampled_from(["leave", "close", "fall_silent"]), st.sampled_from(["s1", "s2", "s3", "s4"])),
        st.tuples(st.just("pass_time"), st.sampled_from([0.5, 2.5])),
        st.tuples(st.just("find_out"), st.integers(0, 3)),
        st.tuples(st.just("move"), st.integers(0, 7)),
        st.tuples(st.just("move"), st.integers(0, 7)),
    ),
    max_size=40,
)


def walk(steps: list[tuple[object, ...]]) -> RejectModel:
    base = ClusterModel.of(*PLAYERS)
    model = RejectModel(
        players=base.players, nodes=base.nodes, table=base.table, rules=by(10, policy=RoomPolicy.REJECT)
    )
    joined: set[str] = set()
    for name, *arguments in steps:
        target = str(arguments[0])
        if name in ("move", "find_out"):
            waiting = model.messages if name == "move" else model.questions
            if waiting:
                getattr(model, str(name))(int(target) % len(waiting))
        elif name == "pass_time":
            model.pass_time(float(target))
        elif (name == "join") != (target in joined) and target not in model.silent:
            joined.add(target)
            getattr(model, str(name))(target)
        model.check_nobody_there_was_put_out()
    # What was not answered in time is refused; whoever is silent is found out by its own socket in the end.
    for session in sorted(model.silent):
        model.close(session)
    model.arrive()
    model.now += OVERDUE_S
    for node in sorted(model.nodes):
        model._tell(node, Tick())
    model.settle()
    model.check_nobody_there_was_put_out()
    for registry in model.nodes.values():
        assert registry.counts().joins_pending == 0, "a join waits for ever"
    return model


@settings(max_examples=500, deadline=None)
@given(acts)
def test_nobody_who_is_there_is_put_out_by_another_device(steps: list[tuple[object, ...]]) -> None:
    walk(steps)


def test_a_newer_join_that_is_given_up_has_ended_the_older_one() -> None:
    given_up = walk([("join", "s1"), ("move", 0), ("move", 0), ("join", "s2"), ("leave", "s2")])
    assert given_up.acknowledged == {"s1"}
    assert given_up.lost == {"s1": "replaced"}


def test_the_walk_meets_what_it_is_about() -> None:
    there = walk([("join", "s1"), ("move", 0), ("move", 0), ("join", "s4"), ("move", 0), ("move", 0), ("find_out", 0)])
    assert there.refused["s4"] is ErrorCode.SEAT_OCCUPIED
    moves: list[tuple[object, ...]] = [("move", 0), ("move", 0)]
    gone = walk(
        [("join", "s1"), *moves, ("fall_silent", "s1"), ("join", "s4"), *moves, ("find_out", 0), *moves, *moves]
    )
    assert gone.acknowledged == {"s1", "s4"}
    assert gone.nodes["n2"].seat(SessionId("s4"), ROOM) is not None


def _nobody_is_protected(change: seat_table._Change, *_: object) -> bool:
    return False


def test_a_store_that_protects_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_table._Change, "_is_protected", _nobody_is_protected)

    @settings(max_examples=500, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(acts)
    def attempt(steps: list[tuple[object, ...]]) -> None:
        walk(steps)

    with pytest.raises(AssertionError, match="was there and lost its seat"):
        attempt()
