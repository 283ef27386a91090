"""Who has the gossip key and no more: shown with the reason, counted, and obeyed in nothing."""

import base64
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from membership import MemberRefused, Membership, MembershipConfig, NodeGone, ViewMember, ViewReset
from membership.agent.life import free_port
from membership.members.tags import NodeTags, encode_tags
from membership.rpc.records import QueryEvent
from signalling.ids import NodeId, RoomId
from tests.cluster.membership.conftest import Configure, wait_until
from tests.cluster.membership.foreign_agents import ForeignAgent, foreign_agent
from tests.cluster.membership.nodes import cluster, node_key, opened, sees, wait_met
from tests.cluster.membership.test_rpc import forged

pytestmark = pytest.mark.cluster

ADA, BOB, EVE = NodeId("ada"), NodeId("bob"), NodeId("eve")


def certified(configure: Configure, key: Ed25519PrivateKey, *names: str, **settings: object) -> list[MembershipConfig]:
    """Nodes that all have the cluster's key."""
    public = key.public_key().public_bytes_raw()
    return cluster(configure, *names, cluster_keys=(public,), certify=key.sign, **settings)


def lies(seen: ViewMember, key: Ed25519PrivateKey) -> dict[str, tuple[str, Mapping[str, str]]]:
    """What an intruder can say who has seen a node's tags: Serf name and tags, by the code of the refusal.

    The second half has more than the gossip key: the cluster's, too, or the key of another cluster.
    """
    tags, other = seen.tags, Ed25519PrivateKey.generate()
    newer = tags.stamped(boot=tags.boot + 5, agent_boot=tags.agent_boot + 5)
    stranger = replace(tags, node_id=NodeId("mal"), certificate=None)
    return {
        "tags_missing": ("nobody", {"role": "database"}),
        "tags_malformed": ("broken-1", {**encode_tags(stranger), "b": "9" * 16, "u": "javascript:alert(1)"}),
        # What the node said itself, under a newer start, at a place of the intruder's.
        "uncertified copy": (newer.serf_name, encode_tags(replace(newer, public_url="https://mal.example"))),
        # Word for word, under another name.
        "name_mismatch": ("copy-1", encode_tags(tags)),
        # A node of its own, with another's key, signed by a key of its own.
        "uncertified stranger": (stranger.serf_name, encode_tags(stranger, certify=other.sign)),
        "foreign_cluster": ("fay-1", encode_tags(node("fay", tags, cluster="other"), certify=other.sign)),
        # A second machine under a living node's id.
        "key_changed": (newer.serf_name + "0", encode_tags(second(newer), certify=key.sign)),
        "key_shared": (
            f"hal-{tags.boot + 5}",
            encode_tags(
                node("hal", tags, boot=tags.boot + 5, agent_boot=tags.boot + 5, public_key=tags.public_key),
                certify=key.sign,
            ),
        ),
        "key_revoked": ("gil-1", encode_tags(node("gil", tags), certify=key.sign)),
    }


def node(name: str, like: NodeTags, **settings: object) -> NodeTags:
    made = replace(like, node_id=NodeId(name), agent_boot=1, boot=1, public_key=node_key(name), certificate=None)
    return replace(made, **settings)  # type: ignore[arg-type]


def second(newer: NodeTags) -> NodeTags:
    return replace(newer, agent_boot=newer.agent_boot * 10, public_key=node_key("another"), certificate=None)


@contextlib.asynccontextmanager
async def intruders(
    gossip: MembershipConfig, said: Mapping[str, tuple[str, Mapping[str, str]]], configure: Configure
) -> AsyncIterator[list[ForeignAgent]]:
    """All of them at once, joined by one node."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for number, (name, tags) in enumerate(said.values()):
            config = configure(f"intruder-{number}", gossip_key=gossip.gossip_key)
            agent = await stack.enter_async_context(foreign_agent(config, name=name, tags=tags))
            await agent.join(gossip)
            found.append(agent)
        yield found


async def test_members_that_lie_are_shown_with_the_reason_and_change_nothing(
    configure: Configure, tmp_path: Path
) -> None:
    key, revoked = Ed25519PrivateKey.generate(), tmp_path / "revoked"
    revoked.write_text(text_of(node_key("gil")) + "  # stolen\n")
    configs = certified(configure, key, "ada", "bob", revoked_keys_file=revoked)
    async with opened(*configs) as (ada, bob):
        await wait_met(ada, bob)
        before = dict(bob.view.members), bob.statistics()
        said = lies(bob.view.members[ADA], key)
        codes = sorted(what.partition(" ")[0] for what in said)
        with bob.changes() as changes:
            assert isinstance(await anext(changes), ViewReset)
            async with intruders(configs[0], said, configure):
                for one in (ada, bob):
                    await wait_until(lambda one=one: codes_of(one) == codes, deadline_s=8)  # type: ignore[misc]
                assert dict(bob.view.members) == before[0]
                now = bob.statistics()
                assert (now.members_unusable, now.members_refused) == (len(said), Counter(codes))
                changed = {"members_unusable": 0, "members_refused": before[1].members_refused}
                apart = {"event_queue": None, "greetings_heard": 0}  # that of ada's agent may come later
                assert replace(now, **changed, **apart) == replace(before[1], **apart)  # type: ignore[arg-type]
            for _ in said:
                with trio.fail_after(20):
                    assert isinstance(await anext(changes), MemberRefused)
        assert sees(ada, "ada", "bob")
        assert {one.detail.partition(":")[0] for one in bob.history.entries() if one.kind == "refused"} == set(codes)


async def test_a_node_whose_key_the_others_revoked_knows_that_it_counts_for_nobody(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own file does not list it: the others tell it, signed."""
    for name in ("FIRST_S", "PAUSE_S", "PAUSE_REFUSED_S"):
        monkeypatch.setattr(f"membership.queries.refusals.{name}", 0.5)
    monkeypatch.setattr("membership.queries.refusals.QUESTIONS_PER_S", 10.0)
    revoked = tmp_path / "revoked"
    revoked.touch()
    key = Ed25519PrivateKey.generate()
    first, second, third = certified(configure, key, "ada", "bob", "eve")
    first, second = (replace(one, revoked_keys_file=revoked) for one in (first, second))
    async with opened(first, second, third) as (ada, bob, eve):
        await wait_met(ada, bob, eve)
        revoked.write_text(text_of(node_key("eve")))
        ada.reload_revoked_keys()
        await trio.sleep(4)
        assert own_code(eve) == "", "one of two may have a wrong file"
        bob.reload_revoked_keys()
        await wait_until(lambda: own_code(eve) == "key_revoked", deadline_s=10)
        assert (own_code(ada), own_code(bob)) == ("", "")
        revoked.write_text("")
        for node in (ada, bob):
            node.reload_revoked_keys()
        await wait_until(lambda: own_code(eve) == "", deadline_s=15)


async def test_a_node_whose_key_is_revoked_is_gone_at_once_and_back_when_it_is_not(
    configure: Configure, tmp_path: Path
) -> None:
    revoked = tmp_path / "revoked"
    revoked.touch()
    configs = certified(configure, Ed25519PrivateKey.generate(), "ada", "bob", "eve", revoked_keys_file=revoked)
    async with opened(*configs) as (ada, bob, eve):
        await wait_met(ada, bob, eve)
        with ada.changes() as changes:
            assert isinstance(await anext(changes), ViewReset)
            revoked.write_text(text_of(node_key("eve")))
            ada.reload_revoked_keys()
            with trio.fail_after(20):
                change = await anext(changes)
        assert isinstance(change, NodeGone)
        assert (change.member.node_id, change.is_refused) == (EVE, True)
        assert codes_of(ada) == ["key_revoked"]
        await trio.sleep(1.5)  # over a reading of the members
        assert sees(ada, "ada", "bob")
        assert sees(bob, "ada", "bob", "eve")  # whose operator has not said so yet
        revoked.write_text("")
        ada.reload_revoked_keys()
        await wait_until(lambda: sees(ada, "ada", "bob", "eve"), deadline_s=20)


async def test_what_a_stranger_answers_and_sends_is_counted_and_no_more(configure: Configure) -> None:
    configs = certified(configure, Ed25519PrivateKey.generate(), "ada", "bob", query_timeout_s=1.0)
    config = configure("mal", gossip_key=configs[0].gossip_key)
    async with opened(*configs) as (ada, bob), foreign_agent(config, name="mal-1", tags={}) as stranger:
        await wait_met(ada, bob)
        bob.rooms.speak_for(lambda: (RoomId("attic"),))
        await stranger.join(configs[0])
        await wait_until(lambda: codes_of(ada) == ["tags_missing"], deadline_s=8)
        async with stranger.endpoint.connect(deadline_s=5) as mouth, trio.open_nursery() as nursery:
            stream = await mouth.stream("query")

            async def lie() -> None:
                while True:
                    record = await stream.receive()
                    if isinstance(record, QueryEvent):
                        await mouth.respond(record.id, record.payload)

            nursery.start_soon(lie)
            ada.rooms.ask(RoomId("hall"))  # it lives nowhere
            await wait_until(lambda: ada.rooms.refused > 0, deadline_s=20)
            report = await ada.keys.report()
            assert [(one.node, one.has_answered) for one in report.nodes] == [("ada", True), ("bob", True)]
            assert report.strangers == ("mal-1",)
            await mouth.send_event("not ours", b"x")
            await wait_until(lambda: ada.statistics().events_foreign == 1, deadline_s=20)
            await bob.send_event(b"ours")
            with trio.fail_after(20):
                assert await ada.user_events.receive() == b"ours"
            with pytest.raises(trio.WouldBlock):
                ada.rooms.found.receive_nowait()
            nursery.cancel_scope.cancel()
        assert (ada.rooms.answers, ada.statistics().events_received) == (0, 1)
        assert sees(ada, "ada", "bob")


async def test_forged_events_change_nothing_but_a_counter(configure: Configure) -> None:
    """A lone node has no gossip key, so one datagram of anybody is enough."""
    forgeries = [
        (b"\xff\xfe\x80", b"\x00\xff", 1),
        (b"n" * 10_000, b"", 2),
        (b"", b"", 3),
        (b"s", bytes(5000), 4),  # our name, and more than we would ever send
        (b"clock", b"wrapped", 2**64 - 1),
    ]
    greeting = (b"h", b"nobody", 5)
    async with opened(configure("ada", bind_port=free_port())) as (ada,):
        await wait_until(lambda: sees(ada, "ada"), deadline_s=20)
        before = ada.view, ada.statistics()
        me = ada.view.members[ADA]
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sender, ada.changes() as changes:
            assert isinstance(await anext(changes), ViewReset)
            with trio.fail_after(10):
                while ada.statistics().events_foreign < len(forgeries):
                    for name, payload, lamport_time in (greeting, *forgeries):
                        await sender.sendto(forged(name, payload, lamport_time), (me.address, me.port))
                    await sender.sendto(b"\x08\x03" + b"\xdd\xff\xff\xff\xff" * 20, (me.address, me.port))
                    with trio.move_on_after(1):
                        await wait_until(counted(ada, len(forgeries)), deadline_s=20)
            with pytest.raises(trio.TooSlowError), trio.fail_after(1.5):
                await anext(changes)
            # A clock that ran away begins at 0 again, and Serf hears no event of time 0: one may be lost, no more.
            await ada.send_event(b"first")
            await ada.send_event(b"second")
            with trio.fail_after(20):
                while await ada.user_events.receive() != b"second":
                    pass
        assert ada.view == before[0]
        assert ada.statistics().events_foreign == len(forgeries), "each once, although some may have been sent again"
        assert ada.statistics().greetings_heard == 1
        told = replace(
            ada.statistics(), events_foreign=0, events_sent=0, events_received=0, greetings_heard=0, event_queue=None
        )
        assert told == replace(before[1], event_queue=None)


def counted(ada: Membership, foreign: int) -> Callable[[], bool]:
    return lambda: ada.statistics().events_foreign >= foreign


def codes_of(one: Membership) -> list[str]:
    return sorted(member.code for member in one.view.unusable)


def own_code(seen_by: Membership) -> str:
    return "" if seen_by.view.own_refusal is None else seen_by.view.own_refusal.code


def text_of(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode().rstrip("=")
