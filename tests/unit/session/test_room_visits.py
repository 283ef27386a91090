"""Since when somebody is in a room and who was: over reloads, over changes of node, and never more than a hundred."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from session.room_effects import Announce, RoomEffect, Tell
from session.room_visits import MAX_SEEN, SAME_VISIT_MS, Visits
from session.rooms import Rooms
from signalling.client.messages import ParticipantInfo, ParticipantJoined
from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, UserId

if TYPE_CHECKING:
    from session.room_visits import Seen

ROOM = RoomId("hall")
N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")
HALF_PAST = 1_800_000


def person(name: str, *, since_ms: int = 0, node: NodeId = N1) -> ParticipantInfo:
    return ParticipantInfo(
        participant=ParticipantId(f"pa_{name}"),
        user=UserId(name),
        name=name.title(),
        node=node,
        region="here",
        since_ms=since_ms,
    )


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


class Hall:
    """The room on one node."""

    def __init__(self, node: NodeId = N1, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.node = node
        self.rooms = Rooms(node, now_ms=self.clock)
        self.rooms.admit(SessionId("s-host"), ROOM, person("host"))

    def admit(self, name: str, session: str) -> tuple[RoomEffect, ...]:
        return self.rooms.admit(SessionId(session), ROOM, person(name))

    def announced(self) -> tuple[ParticipantInfo, ...]:
        return self.rooms.announcement(ROOM)

    def hear(self, other: Hall) -> tuple[RoomEffect, ...]:
        return self.rooms.remote(other.node, ROOM, other.announced())

    def since(self, name: str) -> int:
        (info,) = (each for each in self.rooms.snapshot(ROOM) if each.user == name)
        return info.since_ms

    def seen(self) -> list[str]:
        return [each.user for each in self.rooms.last_seen(ROOM)]


def test_everybody_is_told_since_when_somebody_is_here() -> None:
    hall = Hall()
    hall.clock.ms = HALF_PAST
    effects = hall.admit("ann", "s1")
    ann = person("ann", since_ms=HALF_PAST)
    assert [effect.event for effect in effects if isinstance(effect, Tell)] == [ParticipantJoined(participant=ann)]
    (announced,) = (effect.participants for effect in effects if isinstance(effect, Announce))
    assert ann in announced
    assert ann in hall.rooms.others(SessionId("s-host"))


def test_a_reload_is_no_new_visit() -> None:
    """Over a takeover in place, over a successor named before, and over a short time in which nobody sat."""
    hall = Hall()
    hall.admit("ann", "s1")
    came = hall.since("ann")

    hall.clock.ms += 60_000
    assert [e for e in hall.admit("ann", "s2") if isinstance(e, Tell | Announce)] == [], "nobody sees a change"
    assert hall.since("ann") == came

    hall.clock.ms += 60_000
    hall.rooms.remove(SessionId("s2"), "replaced", successor=SessionId("s3"))
    hall.admit("ann", "s3")
    assert hall.since("ann") == came

    hall.clock.ms += 60_000
    hall.rooms.remove(SessionId("s3"), "connection_lost")
    assert hall.seen() == ["ann"]
    hall.clock.ms += SAME_VISIT_MS
    hall.admit("ann", "s4")
    assert hall.since("ann") == came
    assert hall.seen() == [], "who is here is not among those who were"


def test_who_was_away_for_longer_comes_anew() -> None:
    hall = Hall()
    hall.admit("ann", "s1")
    hall.rooms.remove(SessionId("s1"), "left")
    hall.clock.ms += SAME_VISIT_MS + 1
    hall.admit("ann", "s2")
    assert hall.since("ann") == hall.clock.ms


def test_a_change_of_node_is_no_new_visit() -> None:
    """The new node heard of the visit from the old one, and the old one's word of before is the earliest for all."""
    clock = Clock()
    old, new, third = Hall(N1, clock), Hall(N2, clock), Hall(N3, clock)
    old.admit("ann", "s1")
    came = clock.ms
    new.hear(old)
    third.hear(old)
    assert new.since("ann") == third.since("ann") == came

    clock.ms += 60_000
    new.admit("ann", "s2")
    assert new.since("ann") == came
    old.rooms.remove(SessionId("s1"), "replaced", moved_to=N2)
    assert old.since("ann") == came, "seen on the new node already, from here"
    for hall in (old, third):
        hall.hear(new)
    third.hear(old)
    assert old.since("ann") == third.since("ann") == came
    assert old.seen() == new.seen() == third.seen() == []


def test_a_node_that_never_heard_of_the_visit_learns_of_it_with_the_first_word() -> None:
    """It was partitioned: it says "now" first, and all settle on the earliest that any node says."""
    clock = Clock()
    old, new = Hall(N1, clock), Hall(N2, clock)
    old.admit("ann", "s1")
    came = clock.ms
    clock.ms += 60_000
    new.admit("ann", "s2")
    assert new.since("ann") == clock.ms
    effects = new.hear(old)
    assert new.since("ann") == came
    (again,) = (effect.participants for effect in effects if isinstance(effect, Announce))
    assert person("ann", since_ms=came, node=N2) in again, "and passes on what it learnt"
    old.hear(new)
    assert old.since("ann") == came


def test_a_node_that_says_nothing_of_it_takes_nothing_away() -> None:
    """An older version announces 0."""
    hall = Hall()
    hall.rooms.remote(N2, ROOM, (person("ann", node=N2),))
    assert hall.since("ann") == 0
    hall.rooms.remote(N2, ROOM, (person("ann", since_ms=7, node=N2),))
    hall.rooms.remote(N2, ROOM, (person("ann", node=N2),))
    assert hall.since("ann") == 7


def test_who_was_here_is_told_as_it_was_seen_last() -> None:
    hall = Hall()
    hall.admit("ann", "s1")
    came = hall.clock.ms
    hall.rooms.remote(N2, ROOM, (person("bob", since_ms=5, node=N2),))
    hall.clock.ms += 10
    hall.rooms.remove(SessionId("s1"), "left")
    hall.clock.ms += 10
    hall.rooms.remote(N2, ROOM, (), is_lost=True)
    bob, ann = hall.rooms.last_seen(ROOM)
    assert (bob.user, bob.name, bob.node, bob.since_ms, bob.left_ms) == ("bob", "Bob", N2, 5, came + 20)
    assert (ann.user, ann.participant, ann.node, ann.since_ms, ann.left_ms) == ("ann", "pa_ann", N1, came, came + 10)


def test_who_was_here_is_forgotten_with_the_room() -> None:
    hall = Hall()
    hall.admit("ann", "s1")
    hall.rooms.remove(SessionId("s1"), "left")
    hall.rooms.remove(SessionId("s-host"), "left")
    assert hall.rooms.last_seen(ROOM) == ()
    hall.rooms.admit(SessionId("s-host"), ROOM, person("host"))
    assert hall.seen() == []


def test_the_last_hundred_are_remembered_the_last_one_first() -> None:
    hall = Hall()
    names = [f"user{number}" for number in range(MAX_SEEN + 20)]
    for name in names:
        hall.admit(name, name)
        hall.rooms.remove(SessionId(name), "left")
    assert hall.seen() == names[: -MAX_SEEN - 1 : -1]
    hall.admit(names[50], "again")
    hall.rooms.remove(SessionId("again"), "left")
    assert hall.seen()[:2] == [names[50], names[-1]], "who left again is the last one, and named once"
    assert len(hall.seen()) == MAX_SEEN


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["comes", "is here", "leaves"]),
        st.integers(0, MAX_SEEN + 9),
        st.sampled_from([0, 1, SAME_VISIT_MS, SAME_VISIT_MS + 1]),
    ),
    max_size=60,
)


@given(crowd=st.integers(0, MAX_SEEN + 10), moves=MOVES)
def test_whatever_happens_the_memory_is_bounded_ordered_and_no_visit_begins_late(
    crowd: int, moves: list[tuple[str, int, int]]
) -> None:
    visits = Visits()
    now_ms = 1_000_000
    here: dict[str, int] = {}
    left: dict[str, Seen] = {}
    for what, number, passed in [*(("leaves", number, 1) for number in range(crowd)), *moves]:
        now_ms += passed
        name = f"user{number}"
        info = person(name)
        if what == "leaves":
            came = here.pop(name, now_ms)
            visits.left(msgspec.structs.replace(info, since_ms=came), now_ms)
            left.pop(name, None)
            left[name] = visits.last_seen()[0]
            assert (left[name].user, left[name].since_ms, left[name].left_ms) == (name, came, now_ms)
        else:
            since_ms = visits.since(info.participant, now_ms) if what == "comes" else here.get(name, now_ms)
            assert since_ms <= now_ms
            if name in here:
                assert since_ms == here[name], "a visit goes on"
            here[name] = visits.is_here(msgspec.structs.replace(info, since_ms=since_ms))
            assert here[name] == since_ms
            left.pop(name, None)
        seen = visits.last_seen()
        assert not here.keys() & {each.user for each in seen}
        left = dict(list(left.items())[-MAX_SEEN:])
        assert seen == tuple(reversed(left.values()))
        assert [each.left_ms for each in seen] == sorted((each.left_ms for each in seen), reverse=True)
