"""Three sessions on two devices of one person, on three nodes with one store, walked at random.

The exhaustive walks (test_registry_interleavings.py) take two sessions through every order; this machine takes one
more session and one more node through long ones. The invariants of invariants.py are checked at every step, and
those of a mesh at rest when the machine ends.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from session.store import RoomPolicy
from tests.unit.session.invariants import Invariant, hold
from tests.unit.session.walked_model import GRACE_S, RENEW_S, Player, WalkedModel

PLAYERS = (
    Player("s1", "laptop-01", 1, "n1"),
    Player("s2", "laptop-01", 2, "n2"),
    Player("s3", "phone-001", 1, "n3"),
)
sessions = st.sampled_from([player.session for player in PLAYERS])
nodes = st.sampled_from([player.node for player in PLAYERS])


class SeatMachine(RuleBasedStateMachine):
    """A cluster, and whatever may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = WalkedModel.of(*PLAYERS)

    def _is_in(self, session: str) -> bool:
        return session in self.model.asked and self.model.players[session].node in self.model.nodes

    @rule(session=sessions)
    def join(self, session: str) -> None:
        if session not in self.model.asked and self.model.players[session].node in self.model.nodes:
            self.model.join(session)

    @rule(session=sessions, how=st.sampled_from(["leave", "close", "silent", "abandon", "peer_closed", "doubt"]))
    def end_or_not(self, session: str, how: str) -> None:
        if self._is_in(session):
            getattr(self.model, how)(session)

    @rule(session=sessions, how=st.sampled_from(["expel", "fall_silent", "be_heard"]))
    def moderate_or_fall_silent(self, session: str, how: str) -> None:
        if self._is_in(session) and (how != "be_heard" or session in self.model.mute):
            getattr(self.model, how)(session)

    @rule(how=st.sampled_from(["ban", "lift_ban", "lock", "unlock", "alter"]))
    def moderate(self, how: str) -> None:
        getattr(self.model, how)()

    @rule(policy=st.sampled_from(RoomPolicy))
    def change_policy(self, policy: RoomPolicy) -> None:
        self.model.alter(policy)

    @rule(seconds=st.sampled_from([0.5, RENEW_S, GRACE_S]))
    def pass_time(self, seconds: float) -> None:
        self.model.pass_time(seconds)

    @precondition(lambda self: self.model.messages)
    @rule(index=st.integers(0, 7))
    def move(self, index: int) -> None:
        self.model.move(index % len(self.model.messages))

    @precondition(lambda self: self.model.messages)
    @rule(index=st.integers(0, 7))
    def move_more(self, index: int) -> None:
        self.model.move(index % len(self.model.messages))

    @precondition(lambda self: self.model.messages)
    @rule(index=st.integers(0, 7))
    def time_out(self, index: int) -> None:
        index %= len(self.model.messages)
        if not self.model.messages[index].asker_gave_up:
            self.model.time_out(index)

    @precondition(lambda self: len(self.model.nodes) == len(PLAYERS))
    @rule(node=nodes, how=st.sampled_from(["kill", "drain"]))
    def lose_node(self, node: str, how: str) -> None:
        if all(self.model.players[each].node != node or each in self.model.asked for each in self.model.players):
            getattr(self.model, how)(node)

    @rule(how=st.sampled_from(["save_store", "empty_store", "forget_leases"]))
    def disturb_store(self, how: str) -> None:
        getattr(self.model, how)()

    @precondition(lambda self: self.model.saved is not None)
    @rule()
    def roll_back_store(self) -> None:
        self.model.roll_back_store()

    @invariant()
    def at_most_one_seat_for_each_device_on_a_node(self) -> None:
        for node, seated in self.model.seated.items():
            devices = [self.model.players[session].device for session in seated]
            hold(Invariant.ONE_SEAT, len(devices) == len(set(devices)), f"{node} seats {seated}")

    @invariant()
    def the_store_shows_one_at_most(self) -> None:
        one = len(self.model.shown) <= 1 or self.model.several
        hold(Invariant.ONE_SEAT, one, f"the store shows {self.model.shown}")

    def teardown(self) -> None:
        """Come to rest: the view equals the live sockets, and acknowledged seats hold."""
        self.model.settle()


def _run(examples: int) -> None:
    run_state_machine_as_test(
        SeatMachine,
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, database=None, derandomize=True
        ),
    )


def test_three_sessions_in_long_walks() -> None:
    _run(150)
