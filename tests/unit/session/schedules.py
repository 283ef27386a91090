"""Every order of everything that can happen to two sessions of one person: walked once, counted in full.

A schedule is one order of acts, of questions landing and of answers arriving, up to where nothing is left to
happen. States that two schedules share are walked once; how many schedules lead through them is counted.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from session.store import RoomPolicy
from tests.unit.session.invariants import BrokenError, Invariant, hold
from tests.unit.session.walked_model import GRACE_S, RENEW_S, WalkedModel, rejoin

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

__all__ = ["ACTS", "FAULTS", "JOINS", "MODERATION", "SILENCE", "Schedules", "walk"]

ACTS: Final[dict[str, Callable[[WalkedModel], None]]] = {
    "s1 joins": lambda model: model.join("s1"),
    "s2 joins": lambda model: model.join("s2"),
    "s2 joins one higher": lambda model: model.join_one_higher("s2"),
    "s1 leaves": lambda model: model.leave("s1"),
    "s2 leaves": lambda model: model.leave("s2"),
    "s1 socket closes": lambda model: model.close("s1"),
    "s1 gives up": lambda model: model.abandon("s1"),
    "s1 is doubted": lambda model: model.doubt("s1"),
    "a renewal passes": lambda model: model.pass_time(RENEW_S),
    "a grace passes": lambda model: model.pass_time(GRACE_S),
    "n1 is killed": lambda model: model.kill("n1"),
    "n1 is drained": lambda model: model.drain("n1"),
    "store emptied": lambda model: model.empty_store(),
    "store saved": lambda model: model.save_store(),
    "store rolled back": lambda model: model.roll_back_store(),
    "leases forgotten": lambda model: model.forget_leases(),
    "room locked": lambda model: model.lock(),
    "room altered": lambda model: model.alter(),
    "policy is multi": lambda model: model.alter(RoomPolicy.MULTI),
    "policy is reject": lambda model: model.alter(RoomPolicy.REJECT),
    "ann is banned": lambda model: model.ban(),
    "s1 is expelled": lambda model: model.expel("s1"),
    "s1 falls silent": lambda model: model.fall_silent("s1"),
    "s1 is heard": lambda model: model.be_heard("s1"),
}
JOINS: Final = frozenset({"s1 joins", "s2 joins", "s2 joins one higher"})
MODERATION: Final = frozenset(
    {"room locked", "room altered", "policy is multi", "policy is reject", "ann is banned", "s1 is expelled"}
)
"""What a moderator does."""
SILENCE: Final = frozenset({"s1 falls silent", "s1 is heard"})
FAULTS: Final = frozenset(ACTS) - JOINS - MODERATION - SILENCE

_NEEDS_N1: Final = frozenset(
    {
        *("s1 joins", "s1 leaves", "s1 socket closes", "s1 gives up", "s1 is doubted", "n1 is drained"),
        *("s1 is expelled", "s1 falls silent", "s1 is heard"),
    }
)


@contextmanager
def told(step: object) -> Iterator[None]:
    """Let a broken invariant tell by which steps it was reached, the last one first."""
    try:
        yield
    except BrokenError as broken:
        broken.add_note(f"after: {step}")
        raise


@dataclass
class Schedules:
    """Walks every schedule of some acts, each at most once.

    Args:
        same_node: whether both sessions are on one node.
    """

    same_node: bool
    known: dict[tuple[Hashable, frozenset[str], int, int], int] = field(default_factory=dict)
    looked_at: set[Hashable] = field(default_factory=set)
    followed: set[Hashable] = field(default_factory=set)

    @property
    def states(self) -> int:
        """Different moments that were met."""
        return len(self.known)

    def count(self, model: WalkedModel, acts: frozenset[str], faults: int, timeouts: int) -> int:
        """How many schedules begin here.

        Args:
            model: the moment.
            acts: what may still happen.
            faults: how many of these that are no joins.
            timeouts: how many questions may still time out.
        """
        state = model.state()
        key = (state, acts, faults, timeouts)
        if key in self.known:
            return self.known[key]
        if state not in self.looked_at:
            self.looked_at.add(state)
            if not model.messages:
                # With messages on their way, every order of their arrival leads to such a moment.
                model.copy().settle()
            if "n1" in model.nodes and "s1" in model.asked:
                self._check_follows_socket(model.copy(), state)
        schedules = 0
        for act in acts:
            left = faults if act in JOINS else faults - 1
            if left < 0 or not self._possible(act, acts, model):
                continue
            after = model.copy()
            gone = acts - {act}
            if act == "n1 is killed":
                gone -= _NEEDS_N1
            with told(act):
                ACTS[act](after)
                schedules += self.count(after, gone if left else gone & JOINS, left, timeouts)
        for index, message in enumerate(model.messages):
            after = model.copy()
            with told(message):
                after.move(index)
                schedules += self.count(after, acts, faults, timeouts)
            if timeouts and not message.asker_gave_up:
                after = model.copy()
                with told(f"no answer: {message}"):
                    after.time_out(index)
                    schedules += self.count(after, acts, faults, timeouts - 1)
        self.known[key] = schedules or 1
        return self.known[key]

    def _possible(self, act: str, acts: frozenset[str], model: WalkedModel) -> bool:
        # The page is refreshed only after it tried to join; nothing ends before it began.
        match act:
            case "s1 joins":
                return True
            case "s2 joins one higher":
                return model.highest.get("s2", 0) > 0 and "s2" in model.refused.keys() - model.ended
            case "s2 leaves":
                return "s2 joins" not in acts
            case "s1 is heard":
                return "s1" in model.mute
            case "store rolled back":
                return model.saved is not None
            case "n1 is killed":
                # Else both sessions would die with their node, and nothing would be left to look at.
                return "s1 joins" not in acts and not self.same_node
            case _:
                return "s1 joins" not in acts

    def _check_follows_socket(self, model: WalkedModel, before: Hashable) -> None:
        """What needs no place of its own in a schedule, as it could stand at any moment.

        A peer connection that closes changes nothing; a socket that times out changes what one that closes does.
        Where the node has nothing to say that the model checks, its word for one moment is its word for all like it.
        """
        moment = (model.nodes["n1"], model.now)
        if moment in self.followed:
            return
        if model.follows_socket("s1"):
            self.followed.add(moment)
            return
        closed, silent = model.copy(), model.copy()
        model.peer_closed("s1")
        hold(Invariant.ACKNOWLEDGED_HOLDS, model.state() == before, "a closed peer connection changed something")
        closed.close("s1")
        silent.silent("s1")
        hold(Invariant.ACKNOWLEDGED_HOLDS, closed.state() == silent.state(), "a timeout is not as a close")


def walk(
    kind: str, *, same_node: bool, acts: frozenset[str] = FAULTS, faults: int, timeouts: int = 0
) -> tuple[int, Schedules]:
    """Walk every schedule in which two sessions join and at most `faults` of `acts` happen to them."""
    schedules = Schedules(same_node)
    joins = JOINS if kind in ("one token twice", "lost counter") else JOINS - {"s2 joins one higher"}
    return schedules.count(rejoin(kind, same_node=same_node), joins | acts, faults, timeouts), schedules
