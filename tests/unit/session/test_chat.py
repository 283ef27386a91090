"""What a node remembers of chat; and that everybody hears everything once, however it travels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from session.chat import (
    MAX_AHEAD_MS,
    MAX_FORGOTTEN,
    MAX_LATE_BYTES,
    MAX_REMEMBERED,
    MAX_TOLD_BYTES,
    Conversation,
    newest_within,
)
from session.room_effects import SayToNodes, Tell
from session.room_talk import MAX_MISSED
from session.rooms import Rooms
from signalling import cbor
from signalling.client.messages import MAX_CHAT_SEEN, ChatMessage, ParticipantInfo
from signalling.ids import (
    MessageId,
    NodeId,
    ParticipantId,
    RoomId,
    SessionId,
    UserId,
    first_id_at,
    new_message_id,
)
from signalling.mesh.link import MAX_LINK_MESSAGE_BYTES, ChatBefore, RoomChat

if TYPE_CHECKING:
    from session.room_effects import RoomEffect

ROOM = RoomId("hall")
N1, N2 = NodeId("n1"), NodeId("n2")
S1, S2 = SessionId("s1"), SessionId("s2")


def person(name: str) -> ParticipantInfo:
    return ParticipantInfo(
        participant=ParticipantId(f"pa_{name}"), user=UserId(name), name=name.title(), node=N1, region="here"
    )


def chat(message: str, at_ms: int = 1, *, nonce: str = "", who: str = "ann", text: str = "hi") -> RoomChat:
    return RoomChat(ROOM, MessageId(message), ParticipantId(f"pa_{who}"), who.title(), text, at_ms, nonce)


def heard(effects: tuple[RoomEffect, ...], session: SessionId) -> list[MessageId]:
    return [
        effect.event.message
        for effect in effects
        if isinstance(effect, Tell) and effect.session == session and isinstance(effect.event, ChatMessage)
    ]


def test_ids_are_in_the_order_of_time() -> None:
    ids = [new_message_id(at_ms, node) for at_ms in (1, 9, 10, 4096, 2**44) for node in (N1, N2)]
    assert [id_[:15] for id_ in ids] == sorted(id_[:15] for id_ in ids)
    assert len(set(ids)) == len(ids)
    assert first_id_at(9) < ids[2] < first_id_at(10) < ids[4]


def test_a_repeat_gets_the_first_answer_and_is_told_to_nobody() -> None:
    rooms = Rooms(N1, now_ms=lambda: 7)
    rooms.admit(S1, ROOM, person("ann"))
    rooms.admit(S2, ROOM, person("bob"))
    first = rooms.talk.say(S1, nonce="1", text="hi")
    assert (first.chat.at_ms, first.is_repeat) == (7, False)
    assert heard(first.effects, S1) == heard(first.effects, S2) == [first.chat.message]
    (said,) = [effect.chat for effect in first.effects if isinstance(effect, SayToNodes)]
    again = rooms.talk.say(S1, nonce="1", text="hi")
    assert (again.chat, again.is_repeat, again.effects) == (said, True, ())
    assert rooms.talk.say(S2, nonce="1", text="hi").is_repeat is False
    assert rooms.talk.hear(said) == ()


def test_a_repeat_on_another_node_is_known_there_by_its_nonce() -> None:
    here, there = Rooms(N1, now_ms=lambda: 7), Rooms(N2, now_ms=lambda: 7)
    here.admit(S1, ROOM, person("ann"))
    there.admit(S2, ROOM, person("bob"))
    first = here.talk.say(S1, nonce="1", text="hi").chat
    there.talk.hear(first)
    there.admit(S1, ROOM, person("ann"))
    again = there.talk.say(S1, nonce="1", text="hi")
    assert (again.chat.message, again.effects) == (first.message, ())


def test_of_two_ids_of_one_message_the_lower_one_holds() -> None:
    talk = Conversation()
    assert talk.add(chat("me_5", nonce="n"))
    assert not talk.add(chat("me_3", nonce="n"))
    assert not talk.add(chat("me_4", nonce="n"))
    assert [known.message for known in talk.known()] == ["me_3"]
    found = talk.find(ParticipantId("pa_ann"), "n")
    assert found is not None
    assert found.message == "me_3"
    assert talk.since(MessageId("me_3"), came_at=MessageId("")) == ()


def test_what_is_remembered_is_bounded() -> None:
    talk = Conversation()
    for n in range(MAX_REMEMBERED + 10):
        talk.add(chat(f"me_{n:04}", n, nonce=str(n)))
    assert len(talk) == len(talk._by_nonce) == MAX_REMEMBERED
    assert talk.find(ParticipantId("pa_ann"), "9") is None
    assert not talk.reaches_back_to(MessageId("me_0009"))
    assert talk.reaches_back_to(MessageId("me_0010"))


def test_an_answer_is_later_than_what_it_answers_unless_a_clock_is_mad() -> None:
    talk = Conversation()
    talk.add(chat("me_1", 5_000))
    assert talk.next_ms(4_000) == 5_001
    talk.add(chat("me_2", 5_000 + 2 * MAX_AHEAD_MS))
    assert talk.next_ms(4_000) == 4_000


def test_who_saw_a_message_here_missed_what_came_behind_it_even_with_a_lower_id() -> None:
    talk = Conversation()
    for message in ("me_2", "me_5", "me_4"):
        talk.add(chat(message))
    talk.add(chat("me_0"), is_late=True)
    talk.add(chat("me_3"), is_late=True)
    talk.add(chat("me_6"), is_late=True)
    came_at = MessageId("me_1")
    assert [missed.message for missed in talk.since(MessageId("me_5"), came_at=came_at)] == ["me_3", "me_4", "me_6"]
    assert [missed.message for missed in talk.since(MessageId("me_31"), came_at=came_at)] == ["me_4", "me_5", "me_6"]


def test_what_is_told_at_once_fits_a_message() -> None:
    long = [chat(f"me_{n:03}", text="\u0001" * 2000) for n in range(100)]
    told = newest_within(long, 100)
    assert 1 < len(told) < 100
    assert told[-1].message == "me_099"
    assert len(msgspec.json.encode(told)) < MAX_TOLD_BYTES + 1000
    assert [one.message for one in newest_within(long[:3], 2)] in (["me_001", "me_002"], ["me_002"])


def test_what_another_node_is_told_late_fits_the_link() -> None:
    talk = Conversation()
    for n in range(MAX_REMEMBERED):
        talk.add(chat(f"me_{n:012x}-0123456789abcdef", 2**41 + n, nonce=f"{n:064}", text="日" * (n * 8)), is_ours=n > 2)
    talk.add(chat("me_zzz"))
    ours = talk.ours()
    assert ours[-1].message == f"me_{MAX_REMEMBERED - 1:012x}-0123456789abcdef"
    assert MAX_LATE_BYTES // 2 < len(cbor.encode(ChatBefore(RoomId("r" * 64), ours))) < MAX_LINK_MESSAGE_BYTES
    for n in range(MAX_REMEMBERED):
        talk.add(chat(f"mf_{n:012x}-0123456789abcdef", 2**41 + n, nonce=str(n), who="x" * 16, text="a"), is_ours=True)
    short = tuple(msgspec.structs.replace(each, room=RoomId("r" * 64)) for each in talk.ours())
    assert len(cbor.encode(ChatBefore(RoomId("r" * 64), short))) < MAX_LINK_MESSAGE_BYTES


def test_late_messages_are_told_to_who_sat_here_then() -> None:
    now = 10_000
    rooms = Rooms(N1, now_ms=lambda: now)
    rooms.admit(S1, ROOM, person("ann"))
    now = 30_000
    rooms.admit(S2, ROOM, person("bob"))
    old, new = chat(new_message_id(20_000, N2), 20_000, who="eve"), chat(new_message_id(40_000, N2), 40_000, who="eve")
    effects = rooms.talk.hear_late(ROOM, (old, new))
    assert heard(effects, S1) == [old.message, new.message]
    assert heard(effects, S2) == [new.message]
    assert rooms.talk.hear_late(ROOM, (old, new)) == rooms.talk.hear(old) == ()
    assert rooms.talk.hear_late(RoomId("other"), (old,)) == ()


def test_a_late_message_of_a_clock_that_is_a_little_behind_is_told() -> None:
    rooms = Rooms(N1, now_ms=lambda: 30_000)
    rooms.admit(S1, ROOM, person("ann"))
    behind = chat(new_message_id(29_500, N2), 29_500, who="eve")
    assert heard(rooms.talk.hear_late(ROOM, (behind,)), S1) == [behind.message]


def test_who_missed_more_than_is_told_gets_the_newest_and_nothing_older_live() -> None:
    rooms = Rooms(N1, now_ms=lambda: 1)
    rooms.admit(S1, ROOM, person("ann"))
    first = rooms.talk.say(S1, nonce="x", text="hi").chat
    said = [rooms.talk.say(S1, nonce=str(n), text="hi").chat.message for n in range(MAX_MISSED + 5)]
    rooms.admit(S2, ROOM, person("bob"))
    missed = rooms.talk.resume(S2, first.message)
    assert ([each.message for each in missed.messages], missed.more) == (said[5:], True)
    assert heard(rooms.talk.hear_late(ROOM, (chat(first.message + "0", 1, who="eve"),)), S2) == []


def test_whoever_moves_is_not_told_again_what_comes_to_the_new_node_later() -> None:
    """Live or late; and what was not seen between messages that were is missed."""
    now = 30_000
    rooms = Rooms(N1, now_ms=lambda: now)
    rooms.admit(S1, ROOM, person("ann"))
    one, two, three, four = (chat(new_message_id(at, N2), at, who="eve", nonce=f"{at}") for at in range(29_996, 30_000))
    rooms.talk.hear(two)
    rooms.admit(S2, ROOM, person("bob"))
    missed = rooms.talk.resume(S2, four.message, (one.message, three.message, four.message))
    assert [each.message for each in missed.messages] == [two.message]
    assert heard(rooms.talk.hear(three), S2) == []
    assert heard(rooms.talk.hear_late(ROOM, (one, four)), S2) == []
    assert heard(rooms.talk.hear(chat(new_message_id(29_999, N2), 29_999, who="eve")), S2) != []


def test_what_is_older_than_all_that_a_full_list_names_is_history() -> None:
    rooms = Rooms(N1, now_ms=lambda: 1_000)
    rooms.admit(S1, ROOM, person("ann"))
    seen = tuple(new_message_id(at_ms, N2) for at_ms in range(500, 500 + MAX_CHAT_SEEN))
    before, between = chat(new_message_id(400, N2), 400, who="eve"), chat(new_message_id(550, N2), 550, who="eve")
    rooms.talk.resume(S1, seen[-1], seen)
    assert heard(rooms.talk.hear_late(ROOM, (before, between)), S1) == [between.message]


def test_what_this_node_forgot_is_not_news_when_another_tells_it_late() -> None:
    rooms = Rooms(N1, now_ms=lambda: 1)
    rooms.admit(S1, ROOM, person("ann"))
    first = chat(new_message_id(2, N2), 2, who="eve")
    assert heard(rooms.talk.hear(first), S1) == [first.message]
    for n in range(MAX_REMEMBERED):
        rooms.talk.hear(chat(new_message_id(3 + n, N2), 3 + n, who="eve"))
    assert first not in rooms.talk.known(ROOM)
    assert rooms.talk.hear_late(ROOM, (first,)) == ()


def test_ids_of_what_is_forgotten_are_bounded() -> None:
    talk = Conversation()
    for n in range(MAX_REMEMBERED + MAX_FORGOTTEN + 10):
        talk.add(chat(f"me_{n:05}", n))
    assert len(talk._forgotten) == MAX_FORGOTTEN


def test_a_newcomer_is_not_told_late_what_this_very_node_took_before() -> None:
    """Its own clock needs no slack: what the store knows of a former life was said before anybody came."""
    rooms = Rooms(N1, now_ms=lambda: 30_000)
    rooms.admit(S1, ROOM, person("ann"))
    ours, theirs = (chat(new_message_id(29_500, node), 29_500, who="eve", nonce=node) for node in (N1, N2))
    assert heard(rooms.talk.hear_late(ROOM, (ours, theirs)), S1) == [theirs.message]


# --- exactly once, in a world where links lose, repeat and reorder ---------------------------


@dataclass
class Client:
    """Somebody who says everything until it is acknowledged, and moves between nodes."""

    name: str
    node: int = 0
    got: list[str] = field(default_factory=list)
    seen: dict[MessageId, None] = field(default_factory=dict)
    is_away: bool = False
    unacknowledged: dict[str, str] = field(default_factory=dict)

    @property
    def session(self) -> SessionId:
        return SessionId(f"s_{self.name}")

    def hear(self, event: ChatMessage) -> None:
        """Whatever nodes it was on: nothing comes twice."""
        assert event.message not in self.seen, f"{self.name} is told {event.text} again"
        self.seen[event.message] = None
        self.got.append(event.text)


class World:
    """Two nodes, two people, a link that may be down, and messages on their way in any order."""

    def __init__(self, conversation: type[Conversation] = Conversation, *, tells_seen: bool = True) -> None:
        self._tells_seen = tells_seen
        self.now = 1_000
        self.clocks = [0, 0]
        self.nodes = [Rooms(N1, now_ms=lambda: self.clock(0)), Rooms(N2, now_ms=lambda: self.clock(1))]
        self.clients = [Client("ann"), Client("bob")]
        self.on_way: list[tuple[int, RoomChat]] = []
        self.said = 0
        self._conversation = conversation
        for client in self.clients:
            self.nodes[0].admit(client.session, ROOM, person(client.name))
        keeper = ParticipantInfo(participant=ParticipantId("pa_k"), user=UserId("k"), name="K", node=N1, region="here")
        for index, rooms in enumerate(self.nodes):
            rooms.admit(SessionId(f"keeper{index}"), ROOM, msgspec.structs.replace(keeper, participant=f"pa_k{index}"))
            rooms._rooms[ROOM].talk = conversation()
        # Everybody has seen something: what came before the first that somebody saw is history to them.
        self.say(self.clients[0], is_acknowledged=True)
        self.settle()

    def clock(self, node: int) -> int:
        return self.now + self.clocks[node]

    def _named(self, seen: tuple[MessageId, ...]) -> tuple[MessageId, ...]:
        return seen if self._tells_seen else ()

    def run(self, node: int, effects: tuple[RoomEffect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, SayToNodes):
                self.on_way.append((1 - node, effect.chat))
            elif isinstance(effect, Tell) and isinstance(effect.event, ChatMessage):
                for client in self.clients:
                    if client.node == node and effect.session == client.session:
                        client.hear(effect.event)

    def say(self, client: Client, *, is_acknowledged: bool) -> None:
        self.said += 1
        client.unacknowledged[f"n{self.said}"] = f"{client.name} {self.said}"
        self.send(client, is_acknowledged=is_acknowledged)

    def send(self, client: Client, *, is_acknowledged: bool) -> None:
        for nonce, text in tuple(client.unacknowledged.items()):
            accepted = self.nodes[client.node].talk.say(client.session, nonce=nonce, text=text)
            self.run(client.node, accepted.effects)
            if is_acknowledged:
                del client.unacknowledged[nonce]

    def deliver(self, which: int, *, again: bool) -> None:
        if self.on_way:
            node, said = self.on_way[which % len(self.on_way)]
            if not again:
                self.on_way.remove((node, said))
            self.run(node, self.nodes[node].talk.hear(said))

    def lose_all(self) -> None:
        """The link breaks; when it is back, both tell what was said on them."""
        self.on_way.clear()
        self.catch_up()

    def catch_up(self) -> None:
        for node in (0, 1):
            chats = self.nodes[1 - node].talk.ours(ROOM)
            self.run(node, self.nodes[node].talk.hear_late(ROOM, chats))

    def settle(self) -> None:
        while self.on_way:
            self.deliver(0, again=False)
        self.catch_up()

    def leave(self, client: Client, node: int) -> None:
        """Go away, to come back on a node.

        Where something may be said again to a node that did not hear it the first time, it is heard there before: two
        nodes would name it differently.
        """
        self.come_back(client)
        if node != client.node and any(each.unacknowledged for each in self.clients):
            self.settle()
        self.nodes[client.node].remove(client.session, "left")
        client.node, client.is_away = node, True

    def come_back(self, client: Client) -> None:
        """Take a seat, hear what was missed, and repeat what was never acknowledged."""
        if not client.is_away:
            return
        client.is_away = False
        rooms = self.nodes[client.node]
        rooms.admit(client.session, ROOM, person(client.name))
        seen = tuple(client.seen)
        for event in rooms.talk.resume(
            client.session, seen[-1] if seen else first_id_at(0), self._named(seen)
        ).messages:
            client.hear(event)
        self.send(client, is_acknowledged=True)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("deliver"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("leave"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.just("back"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("lose"), st.just(0), st.just(0)),
        st.tuples(st.just("clock"), st.integers(0, 1), st.integers(-500, 500)),
    ),
    max_size=30,
)


def check(
    steps: list[tuple[str, int, int]], conversation: type[Conversation] = Conversation, *, tells_seen: bool = True
) -> None:
    world = World(conversation, tells_seen=tells_seen)
    for what, first, second in steps:
        world.now += 10
        match what:
            case "say":
                world.come_back(world.clients[first])
                world.say(world.clients[first], is_acknowledged=bool(second))
            case "deliver":
                world.deliver(first, again=bool(second))
            case "leave":
                world.leave(world.clients[first], second)
            case "back":
                world.come_back(world.clients[first])
            case "lose":
                world.lose_all()
            case _:
                world.clocks[first] = second
    world.settle()
    for client in world.clients:
        world.leave(client, client.node)
        world.come_back(client)
    world.settle()
    everything = sorted(f"{name} {n}" for n in range(1, world.said + 1) for name in ("ann", "bob"))
    for client in world.clients:
        assert len(client.got) == len(set(client.got)) == world.said, client
        assert set(client.got) <= set(everything)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_everybody_hears_everything_once(steps: list[tuple[str, int, int]]) -> None:
    check(steps)


class ForgetsNonces(Conversation):
    """Knows messages by their ids alone."""

    def find(self, participant: ParticipantId, nonce: str) -> RoomChat | None:
        return None


@pytest.mark.parametrize(("mutant", "tells_seen"), [(ForgetsNonces, True), (Conversation, False)])
def test_the_property_kills_the_mutant(mutant: type[Conversation], tells_seen: bool) -> None:
    @settings(max_examples=500, deadline=None, database=None, phases=[Phase.generate])
    @given(steps=STEPS)
    def attempt(steps: list[tuple[str, int, int]]) -> None:
        check(steps, mutant, tells_seen=tells_seen)

    with pytest.raises(AssertionError):
        attempt()
