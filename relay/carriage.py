"""Words to nodes that no link leads to: a neighbour that has a link with both passes them on. Pure.

A path that is broken for an hour is no reason for views of a room to part: its media goes round by another node
(`relay.paths`), and so do the words about it. This is for what lasts. A link that is being made or mended has its
:data:`AFTER_S`, so that in the usual course nothing goes round.

Whoever finds a way, or another one, says hello by it, and again each :data:`HELLO_EVERY_S` until the other end's hello
is answered; a neighbour by which no answer comes, be it full or of an older build, is left for the next one after
:data:`HELLOS_EACH`. The answer goes back by whom the hello came. With that the far node counts as linked for what is
said of rooms (`Reached`): both state all of it, as over a link that has come up. So what was lost between two ways is
said again, and so is what was lost on one: its words are numbered, and who misses one, or hears nothing any more, says
hello anew. Where there is nothing to say an empty answer is said now and then.

The neighbour is believed as far as it is with the media, which it passes on as well: every node of the cluster could
lie about another one here. It passes on nothing that came over two links already, nothing to where it came from, and no
more than :data:`PASSED_PER_S`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from signalling.mesh.link import Carried
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from signalling.ids import NodeId

AFTER_S: Final = 4.0
"""How long a link must be missing: longer than making one takes, and shorter than what it told is kept (8 s)."""

HELLO_EVERY_S: Final = 2.0
"""Until the other end has said hello or answered; it may have found no way yet."""

BEAT_EVERY_S: Final = 5.0
"""A word is said so often at least, and what was lost before it is noticed..."""

SILENT_S: Final = 2.5 * BEAT_EVERY_S
"""...and so is that nothing comes any more."""

HELLOS_EACH: Final = 3
"""Hellos by one neighbour, until the next one is tried: longer than the other end takes to find its way (4 s)."""

LOOK_EVERY_S: Final = 1.0
"""How often ways are looked for and at, while there is a node without a link."""

SPOKEN_S: Final = 10.0
"""How long a node without a room that is shared with us is known after it spoke."""

PASSED_PER_S: Final = 100.0
PASSED_AT_ONCE: Final = 1000.0
"""Words passed on for one neighbour: every room of a busy node, stated at once, and a hundred changes a second."""

MAX_ORIGINS: Final = 1024
"""Nodes whose words are counted, after which those that are gone are forgotten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """Words go to the node and come from it by a neighbour, and both ends begin anew."""

    node: NodeId
    boot: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreached:
    """There is no way any more."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class PassOn:
    """Say this to the neighbour over its link."""

    neighbour: NodeId
    word: Carried


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """The origin said this to us."""

    origin: NodeId
    data: bytes


CarriageEffect: TypeAlias = Reached | Unreached | PassOn | Arrived


@dataclass(slots=True)
class _Far:
    """A node that is needed and has no link."""

    since: float
    via: NodeId | None = None
    is_reached: bool = False
    asks: bool = True
    """A hello of ours is to be answered: at the beginning, and when a word is missed."""
    hellos: int = 0
    """Said by this way since it was taken."""
    hello_at: float = float("-inf")
    said_at: float = float("-inf")
    heard_at: float = float("-inf")


class Carriage:
    """What is carried from and to this node, and through it.

    Args:
        own: This node.
        boot: Its incarnation.
    """

    def __init__(self, *, own: NodeId, boot: int) -> None:
        self._own = own
        self._boot = boot
        self._far: dict[NodeId, _Far] = {}
        self._said: dict[NodeId, int] = {}
        self._said_most = 0
        self._newest: dict[NodeId, tuple[int, int]] = {}
        self._paces: dict[NodeId, TokenBucket] = {}
        self._look_at = float("inf")
        self.oddities: Counter[str] = Counter()
        self.passed = 0

    def known(self) -> AbstractSet[NodeId]:
        """The nodes that are needed, or spoke, and have no link, as of the last look."""
        return self._far.keys()

    def is_reached(self, node: NodeId) -> bool:
        """Whether words go to that node by a neighbour now."""
        far = self._far.get(node)
        return far is not None and far.is_reached

    def settle(
        self,
        needed: AbstractSet[NodeId],
        linked: AbstractSet[NodeId],
        alive: AbstractSet[NodeId],
        ways: Callable[[NodeId], Sequence[NodeId]],
        now: float,
    ) -> tuple[CarriageEffect, ...]:
        """See which nodes that rooms are shared with have no link, and by whom they can be reached.

        Args:
            needed: Nodes that a room is shared with.
            linked: Nodes with a link.
            alive: Living nodes.
            ways: The neighbours, linked with us, that have a link with a node, the best first.
            now: Monotonic seconds.
        """
        effects: list[CarriageEffect] = []
        missing = (needed & alive) - linked
        for node, far in list(self._far.items()):
            # Who has just spoken shares a room with us that we are about to hear of.
            has_spoken = node in alive - linked and now < far.heard_at + SPOKEN_S
            if node not in missing and not has_spoken:
                del self._far[node]
                if far.is_reached and node not in linked:
                    effects.append(Unreached(node=node))
        for node in missing - self._far.keys():
            self._far[node] = _Far(since=now)
        for node, far in sorted(self._far.items()):
            if far.is_reached or now >= far.since + AFTER_S:
                # Who is not needed yet, and has spoken, is answered by whom it spoke.
                by = ways(node) if node in missing or far.via is None else (far.via,)
                effects += self._look(node, far, by, now)
        for neighbour in self._paces.keys() - linked:
            del self._paces[neighbour]
        self._look_at = now + LOOK_EVERY_S if self._far else float("inf")
        return tuple(effects)

    def next_deadline(self) -> float:
        """When :meth:`settle` must be called at the latest; endless while no link is missing."""
        return self._look_at

    def wrap(self, node: NodeId, data: bytes, now: float) -> PassOn | None:
        """Say something to a node by a neighbour; None where that does not reach it."""
        far = self._far.get(node)
        return None if far is None or not far.is_reached else self._pass(node, far, data, now)

    def hear(
        self, neighbour: NodeId, word: Carried, *, linked: AbstractSet[NodeId], boots: Mapping[NodeId, int], now: float
    ) -> tuple[CarriageEffect, ...]:
        """Take what a neighbour passes on to us, or asks us to pass on.

        Args:
            neighbour: Who says it over its link.
            word: What it says.
            linked: Nodes with a link.
            boots: Living nodes and their incarnations.
            now: Monotonic seconds.
        """
        if word.target != self._own:
            return self._hear_for_another(neighbour, word, linked, now)
        if word.origin in (self._own, neighbour) or boots.get(word.origin) != word.boot:
            self.oddities["carried_refused"] += 1
            return ()
        if (word.boot, word.sequence) <= self._newest.get(word.origin, (-1, -1)):
            # It came by another way before, or was overtaken by what replaces it.
            self.oddities["carried_late"] += 1
            return ()
        is_next = (word.boot, word.sequence - 1) == self._newest.get(word.origin)
        if len(self._newest) >= MAX_ORIGINS:
            self._newest = {node: newest for node, newest in self._newest.items() if node in boots}
        self._newest[word.origin] = (word.boot, word.sequence)
        arrived = (Arrived(origin=word.origin, data=word.data),) if word.data else ()
        if word.origin in linked:
            # The other end misses a link that we have, which is about to fall or to heal. What it says counts.
            return arrived
        far = self._far.setdefault(word.origin, _Far(since=now))
        far.via, far.heard_at = far.via or neighbour, now
        self._look_at = min(self._look_at, now + LOOK_EVERY_S)
        if not word.data and (far.asks or not word.answers):
            far.via, far.is_reached, far.asks, far.hellos = neighbour, True, False, 0
            answer = () if word.answers else (self._pass(word.origin, far, b"", now, answers=True),)
            return (*answer, Reached(node=word.origin, boot=word.boot))
        if far.is_reached and is_next:
            return arrived
        # A word was lost; or it takes us for reached, and we do not. Either way it has to begin anew.
        self.oddities["carried_missed" if far.is_reached else "carried_early"] += 1
        far.asks = True
        return (*(arrived if far.is_reached else ()), *self._greet(word.origin, far, now))

    def _look(self, node: NodeId, far: _Far, ways: Sequence[NodeId], now: float) -> tuple[CarriageEffect, ...]:
        was_reached = far.is_reached
        far.asks |= far.is_reached and now >= far.heard_at + SILENT_S
        has_waited = now >= far.hello_at + HELLO_EVERY_S
        if far.via not in ways:
            self._take_way(far, next(iter(ways), None))
        elif far.asks and has_waited and far.hellos >= HELLOS_EACH:
            self._take_way(far, ways[(ways.index(far.via) + 1) % len(ways)])
        if not far.asks:
            is_quiet = now >= far.said_at + BEAT_EVERY_S
            return (self._pass(node, far, b"", now, answers=True),) if is_quiet else ()
        fallen = (Unreached(node=node),) if was_reached and not far.is_reached else ()
        return fallen if far.via is None else (*fallen, *self._greet(node, far, now))

    @staticmethod
    def _take_way(far: _Far, via: NodeId | None) -> None:
        far.via, far.is_reached, far.asks, far.hellos, far.hello_at = via, False, True, 0, float("-inf")

    def _greet(self, node: NodeId, far: _Far, now: float) -> tuple[CarriageEffect, ...]:
        if now < far.hello_at + HELLO_EVERY_S:
            return ()
        far.hello_at = now
        far.hellos += 1
        return (self._pass(node, far, b"", now),)

    def _pass(self, node: NodeId, far: _Far, data: bytes, now: float, *, answers: bool = False) -> PassOn:
        assert far.via is not None
        far.said_at = now
        if node not in self._said and len(self._said) >= MAX_ORIGINS:
            self._said = {one: said for one, said in self._said.items() if one in self._far}
        # Who was forgotten goes on above all others, since the far node may remember.
        sequence = self._said[node] = self._said.get(node, self._said_most) + 1
        self._said_most = max(self._said_most, sequence)
        return PassOn(neighbour=far.via, word=Carried(self._own, node, self._boot, sequence, data, answers))

    def _hear_for_another(
        self, neighbour: NodeId, word: Carried, linked: AbstractSet[NodeId], now: float
    ) -> tuple[CarriageEffect, ...]:
        if word.origin != neighbour or word.target not in linked or word.target == neighbour:
            self.oddities["carriage_refused"] += 1
            return ()
        pace = self._paces.setdefault(neighbour, TokenBucket(rate_per_s=PASSED_PER_S, burst=PASSED_AT_ONCE, now=now))
        if not pace.take(now):
            self.oddities["carriage_flooded"] += 1
            return ()
        self.passed += 1
        return (PassOn(neighbour=word.target, word=word),)
