"""The member view: newest boot speaks, strangers are shown, restarts of the agent kill nobody."""

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from membership.members.own_names import FORGET_AFTER_S, SETTLE_S
from membership.members.seed_watch import FIRST_REJOIN_S
from membership.members.snapshot import (
    Change,
    ClusterView,
    MemberRefused,
    MemberState,
    NodeAppeared,
    NodeChanged,
    NodeGone,
    ViewMember,
)
from membership.members.standing import Speakers
from membership.members.tags import NodeState, NodeTags, decode_tags, encode_tags
from membership.members.view import (
    RESYNC_S,
    AgentDown,
    AgentUp,
    DeadlineReached,
    JoinSeeds,
    KeysRevoked,
    MembersHinted,
    MembersRead,
    MemberView,
    NodesSilent,
    PruneMember,
    Publish,
    ReadMembers,
    SeedsTried,
    ViewEffect,
)
from membership.rpc.records import SerfMember
from signalling.ids import NodeId
from tests.unit.membership.samples import a_member

OWN = NodeId("own")
REFRESH_S, REJOIN_S = 5.0, 30.0


def a_view(**settings: object) -> MemberView:
    arguments: dict[str, object] = {
        "node_id": OWN,
        "cluster": "test",
        "refresh_interval_s": REFRESH_S,
        "rejoin_interval_s": REJOIN_S,
        **settings,
    }
    return MemberView(**arguments)  # type: ignore[arg-type]


def certified(member: SerfMember, key: Ed25519PrivateKey) -> SerfMember:
    return replace(member, tags=encode_tags(decode(member), certify=key.sign))


def decode(member: SerfMember) -> NodeTags:
    tags = decode_tags(member.tags)
    assert isinstance(tags, NodeTags)
    return tags


def read(view: MemberView, *members: SerfMember, now: float = 0.0) -> tuple[ViewEffect, ...]:
    return view.handle(MembersRead(members=members), now)


def up(view: MemberView, *members: SerfMember, boot: int = 1, now: float = 0.0) -> None:
    view.handle(AgentUp(agent_boot=boot), now)
    read(view, *members, now=now)


def changes(effects: Iterable[ViewEffect]) -> list[Change]:
    return [change for effect in effects if isinstance(effect, Publish) for change in effect.changes]


def states(view: MemberView) -> dict[str, str]:
    return {node_id: member.state.value for node_id, member in view.view.members.items()}


def test_it_reads_when_the_agent_comes_on_a_hint_and_now_and_then() -> None:
    view = a_view()
    assert view.next_deadline() == math.inf
    assert view.handle(AgentUp(agent_boot=1), 0) == (ReadMembers(),)
    read(view, a_member("own"))
    assert view.view.is_fresh
    assert view.handle(MembersHinted(), 1) == (ReadMembers(),)
    assert view.next_deadline() == 1 + REFRESH_S
    read(view, a_member("own"), now=1)
    assert view.handle(DeadlineReached(), 6) == (ReadMembers(),)


def test_hints_during_a_read_are_one_more_read() -> None:
    view = a_view()
    view.handle(AgentUp(agent_boot=1), 0)
    assert view.handle(MembersHinted(), 0) == ()
    assert view.handle(MembersHinted(), 0) == ()
    assert read(view, a_member("own"))[-1] == ReadMembers()
    assert read(view, a_member("own")) == ()


def test_changes_are_told_once() -> None:
    view = a_view()
    view.handle(AgentUp(agent_boot=1), 0)
    assert [type(change) for change in changes(read(view, a_member("own"), a_member("ada")))] == [NodeAppeared] * 2
    assert read(view, a_member("ada"), a_member("own")) == ()
    told = changes(read(view, a_member("own"), a_member("ada", state=NodeState.DRAINING)))
    assert [type(change) for change in told] == [NodeChanged]
    (gone,) = changes(read(view, a_member("own"), a_member("ada", status="failed")))
    assert isinstance(gone, NodeGone)
    assert gone.member.state is MemberState.FAILED
    assert changes(read(view, a_member("own"))) == []
    assert view.view.number == 4


@pytest.mark.parametrize(
    ("status", "state"),
    [("alive", "alive"), ("leaving", "left"), ("left", "left"), ("failed", "failed"), ("none", "failed")],
)
def test_what_serf_says_of_a_member(status: str, state: str) -> None:
    view = a_view()
    up(view, a_member("ada", status=status))
    assert states(view) == {"ada": state}


def test_the_old_name_of_a_restarted_node_does_not_kill_it() -> None:
    view = a_view()
    up(view, a_member("ada", 1))
    told = changes(read(view, a_member("ada", 1), a_member("ada", 2)))
    assert [type(change) for change in told] == [NodeChanged]
    assert read(view, a_member("ada", 2), a_member("ada", 1, status="failed")) == ()
    assert states(view) == {"ada": "alive"}
    assert view.view.members[NodeId("ada")].tags.boot == 2


def test_a_node_whose_newest_boot_is_dead_is_dead() -> None:
    view = a_view()
    up(view, a_member("ada", 1), a_member("ada", 2, status="failed"))
    assert states(view) == {"ada": "failed"}


@pytest.mark.parametrize("status", ["leaving", "left", "failed"])
def test_who_looks_is_there_also_while_its_agent_leaves(status: str) -> None:
    view = a_view()
    up(view, a_member("own", 1), a_member("ada"))
    assert read(view, a_member("own", 1, status=status), a_member("ada")) == ()
    assert states(view) == {"own": "alive", "ada": "alive"}


def forgotten(effects: Iterable[ViewEffect]) -> list[str]:
    return [effect.name for effect in effects if isinstance(effect, PruneMember)]


def test_own_former_names_are_pruned_once_they_must_be_dead_to_all_and_nobody_elses() -> None:
    view = a_view(refresh_interval_s=1000.0, rejoin_interval_s=1000.0)
    view.handle(AgentUp(agent_boot=4, former=frozenset({"own-1", "own-2", "own-3"})), 0)
    listed = (
        a_member("own", 4),
        a_member("own", 2),
        a_member("own", 3, status="failed"),
        a_member("ada", status="failed"),
    )
    assert forgotten(read(view, *listed, a_member("bob"), now=1.0)) == []
    assert view.next_deadline() == 1.0 + SETTLE_S
    assert forgotten(view.handle(DeadlineReached(), 1.0 + SETTLE_S)) == ["own-3"]
    assert view.next_deadline() == FORGET_AFTER_S
    assert forgotten(view.handle(DeadlineReached(), FORGET_AFTER_S)) == ["own-1"]
    view.handle(AgentDown(), FORGET_AFTER_S + 1)
    assert view.next_deadline() == math.inf


def test_strangers_are_shown_with_the_reason_and_not_obeyed() -> None:
    view = a_view()
    view.handle(AgentUp(agent_boot=1), 0)
    impostor = replace(a_member("ada"), name="eve-1")
    bare = replace(a_member("tool"), tags={})
    broken = replace(a_member("bob"), tags=dict(a_member("bob").tags) | {"b": "x"})
    foreign = a_member("far", cluster="other")
    effects = read(view, a_member("own"), impostor, bare, broken, foreign)
    shown = {member.serf_name: member.code for member in view.view.unusable}
    assert shown == {
        "eve-1": "name_mismatch",
        "tool-1": "tags_missing",
        "bob-1": "tags_malformed",
        "far-1": "foreign_cluster",
    }
    assert states(view) == {"own": "alive"}
    assert len([change for change in changes(effects) if isinstance(change, MemberRefused)]) == 4


def test_with_cluster_keys_only_certified_members_count() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    view = a_view(cluster_keys=[key.public_key().public_bytes_raw()])
    ada = certified(a_member("ada"), key)
    stolen = a_member("bob", certificate=decode(ada).certificate)
    # All that ada said, under a newer boot and with another address for clients.
    copied = a_member("ada", 999, public_url="https://evil.test", certificate=decode(ada).certificate)
    up(view, ada, stolen, copied, a_member("eve", certificate=None))
    assert states(view) == {"ada": "alive"}
    assert view.view.members[NodeId("ada")].tags.public_url == "https://ada.example:8443"
    assert [(member.serf_name, member.code) for member in view.view.unusable] == [
        ("ada-999", "uncertified"),
        ("bob-1", "uncertified"),
        ("eve-1", "uncertified"),
    ]


def test_a_restart_of_the_agent_kills_nobody_at_first() -> None:
    view = a_view()
    up(view, a_member("own", 1), a_member("ada"), a_member("bob"))
    (publish,) = view.handle(AgentDown(), 10)
    assert isinstance(publish, Publish)
    assert not publish.view.is_fresh
    assert not publish.changes
    view.handle(AgentUp(agent_boot=2), 11)
    told = changes(read(view, a_member("own", 2), now=11))
    assert [type(change) for change in told] == [NodeChanged]
    assert set(states(view).values()) == {"alive"}
    read(view, a_member("own", 2), a_member("bob"), now=12)
    assert set(states(view).values()) == {"alive"}
    told = changes(view.handle(DeadlineReached(), 11 + RESYNC_S))
    assert [(type(change), change.member.node_id) for change in told if isinstance(change, NodeGone)] == [
        (NodeGone, "ada")
    ]
    assert states(view) == {"own": "alive", "bob": "alive"}


def test_a_node_that_the_new_agent_lists_as_dead_is_dead_at_once() -> None:
    view = a_view()
    up(view, a_member("own"), a_member("ada"))
    view.handle(AgentDown(), 1)
    view.handle(AgentUp(agent_boot=2), 2)
    read(view, a_member("own", 2), a_member("ada", status="failed"), now=2)
    assert states(view)["ada"] == "failed"


def test_what_a_lost_agent_had_to_say_is_not_heard() -> None:
    view = a_view()
    up(view, a_member("own"), a_member("ada"))
    view.handle(AgentDown(), 1)
    assert read(view, a_member("own")) == ()
    assert view.handle(SeedsTried(reached=True), 1) == ()
    assert view.next_deadline() == math.inf


def test_seeds_are_joined_again_soon_while_they_cannot_be_reached() -> None:
    view = a_view(seeds=["127.0.0.1:1"])
    assert view.handle(AgentUp(agent_boot=1), 0) == (ReadMembers(), JoinSeeds(addresses=("127.0.0.1:1",)))
    read(view, a_member("own"))
    now, pauses = 0.0, []
    for _ in range(9):
        view.handle(SeedsTried(reached=False), now)
        effects: tuple[ViewEffect, ...] = ()
        started = now
        while not any(isinstance(effect, JoinSeeds) for effect in effects):
            now = view.next_deadline()
            effects = view.handle(DeadlineReached(), now)
            if ReadMembers() in effects:
                read(view, a_member("own"), now=now)
        pauses.append(now - started)
    assert pauses[:3] == [FIRST_REJOIN_S, 2 * FIRST_REJOIN_S, 4 * FIRST_REJOIN_S]
    assert pauses[-1] == REJOIN_S


def test_seeds_are_joined_again_when_none_of_them_is_alive_any_more() -> None:
    view = a_view(seeds=["127.0.0.1:77"])
    up(view, a_member("own"), a_member("ada", port=77))
    view.handle(SeedsTried(reached=True), 0)
    read(view, a_member("own"), a_member("ada", port=77))
    assert JoinSeeds(addresses=("127.0.0.1:77",)) not in view.handle(DeadlineReached(), REJOIN_S)
    read(view, a_member("own"), a_member("ada", port=77, status="failed"), now=REJOIN_S)
    assert JoinSeeds(addresses=("127.0.0.1:77",)) in view.handle(DeadlineReached(), 2 * REJOIN_S)


def test_who_is_revoked_is_gone_at_once_and_back_when_the_file_no_longer_says_so() -> None:
    view = a_view()
    bad = bytes([7]) * 32
    members = (a_member("own"), a_member("ada", public_key=bad), a_member("bob"))
    up(view, *members)
    effects = view.handle(KeysRevoked(keys=frozenset({bad})), 1)
    assert effects[-1] == ReadMembers()
    (gone, refused) = changes(effects)
    assert isinstance(gone, NodeGone)
    assert (gone.member.node_id, gone.is_refused) == ("ada", True)
    assert isinstance(refused, MemberRefused)
    assert refused.member.code == "key_revoked"
    assert changes(read(view, *members, now=1)) == []
    assert states(view) == {"own": "alive", "bob": "alive"}
    view.handle(KeysRevoked(keys=frozenset()), 2)
    assert [type(change) for change in changes(read(view, *members, now=2))] == [NodeAppeared]


def test_who_is_revoked_is_not_held_over_a_restart_of_the_agent() -> None:
    view = a_view()
    bad = bytes([7]) * 32
    up(view, a_member("own"), a_member("ada", public_key=bad))
    view.handle(AgentDown(), 1)
    view.handle(KeysRevoked(keys=frozenset({bad})), 1)
    view.handle(AgentUp(agent_boot=2), 2)
    read(view, a_member("own", 2), now=2)
    assert "ada" not in states(view)


def test_another_key_speaks_for_a_node_only_when_the_first_is_gone() -> None:
    view = a_view()
    thief = a_member("ada", 9, public_key=bytes([9]) * 32)
    up(view, a_member("own"), a_member("ada"))
    (refused,) = changes(read(view, a_member("own"), a_member("ada"), thief))
    assert isinstance(refused, MemberRefused)
    assert (refused.member.serf_name, refused.member.code) == ("ada-9", "key_changed")
    assert view.view.members[NodeId("ada")].tags.agent_boot == 1
    read(view, a_member("own"), a_member("ada", status="failed"), thief)
    assert view.view.members[NodeId("ada")].tags.agent_boot == 9, "a node that was made anew"


# One cluster's history: per step the status of some name; the truth is the newest boot's.
statuses = st.sampled_from(["alive", "leaving", "left", "failed"])
histories = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["own", "ada", "bob"]), st.integers(1, 4), statuses),
        max_size=8,
        unique_by=lambda entry: entry[:2],
    ),
    min_size=1,
    max_size=6,
)


def check_history(history: list[list[tuple[str, int, str]]]) -> None:
    view = a_view()
    view.handle(AgentUp(agent_boot=4), 0)
    told: dict[NodeId, ViewMember] = {}
    for step in history:
        effects = read(view, *(a_member(name, boot, status=status) for name, boot, status in step))
        newest: dict[str, tuple[int, str]] = {}
        for name, boot, status in step:
            newest[name] = max(newest.get(name, (0, "")), (boot, status))
        alive = {name for name, (_, status) in newest.items() if status == "alive" or name == OWN}
        assert {member.node_id for member in view.view.alive()} == alive
        assert all(view.view.members[NodeId(name)].tags.boot == boot for name, (boot, _) in newest.items())
        for change in changes(effects):
            match change:
                case NodeAppeared():
                    assert change.member.node_id not in told
                    told[change.member.node_id] = change.member
                case NodeChanged():
                    assert told[change.before.node_id] == change.before != change.after
                    told[change.after.node_id] = change.after
                case NodeGone():
                    del told[change.member.node_id]
                case _:
                    pytest.fail(f"{change} for a cluster without strangers")
        assert told == {member.node_id: member for member in view.view.alive()}


@given(histories)
def test_the_newest_boot_speaks_and_changes_tell_the_same_as_snapshots(
    history: list[list[tuple[str, int, str]]],
) -> None:
    check_history(history)


def last_name_speaks(members: Iterable[ViewMember]) -> Speakers:
    """The mutant: whatever was said last about a node holds."""
    return Speakers(by_node={member.node_id: member for member in members}, refused=())


def test_the_property_kills_a_view_that_obeys_the_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membership.members.view.speakers_of", last_name_speaks)

    @settings(phases=[Phase.generate], database=None)
    @given(histories)
    def holds(history: list[list[tuple[str, int, str]]]) -> None:
        check_history(history)

    with pytest.raises((AssertionError, ExceptionGroup)):
        holds()


events = st.one_of(
    st.builds(
        AgentUp, agent_boot=st.integers(1, 5), former=st.frozensets(st.sampled_from(["own-1", "own-2", "own-9"]))
    ),
    st.just(AgentDown()),
    st.just(MembersHinted()),
    st.builds(SeedsTried, reached=st.booleans()),
    st.just(DeadlineReached()),
    st.builds(
        lambda picks: MembersRead(members=tuple(a_member(*pick[:2], status=pick[2]) for pick in picks)),
        st.lists(st.tuples(st.sampled_from(["own", "ada"]), st.integers(1, 3), statuses), max_size=4),
    ),
)


@given(st.lists(events, max_size=30))
def test_any_order_of_events_keeps_snapshots_numbered_and_deadlines_ahead(sequence: list[object]) -> None:
    view, now, last = a_view(seeds=["127.0.0.1:1"]), 0.0, ClusterView(own_id=OWN)
    for event in sequence:
        if isinstance(event, DeadlineReached):
            if view.next_deadline() == math.inf:
                continue
            now = view.next_deadline()
        for effect in view.handle(event, now):  # type: ignore[arg-type]
            if isinstance(effect, Publish):
                assert effect.view.number == last.number + 1
                last = effect.view
        assert view.view == last
        assert view.next_deadline() > now or not isinstance(event, DeadlineReached)


def test_a_node_that_does_not_answer_counts_as_failed_although_its_agent_lives() -> None:
    core = a_view()
    core.handle(AgentUp(agent_boot=1), 0)
    core.handle(MembersRead(members=(a_member("ada"), a_member("bob"))), 0)
    (gone,) = core.handle(NodesSilent(names=frozenset({"bob-1", "nobody-1"})), 1)
    assert isinstance(gone, Publish)
    assert [type(change) for change in gone.changes] == [NodeGone]
    assert [member.node_id for member in core.view.alive()] == ["ada"]
    assert {member.node_id for member in core.alive_to_gossip()} == {"ada", "bob"}
    assert core.handle(NodesSilent(names=frozenset({"bob-1", "nobody-1"})), 2) == ()
    core.handle(MembersRead(members=(a_member("ada"), a_member("bob"))), 3)
    assert core.view.members[NodeId("bob")].state is MemberState.FAILED
    (back,) = core.handle(NodesSilent(names=frozenset()), 4)
    assert isinstance(back, Publish)
    assert [type(change) for change in back.changes] == [NodeAppeared]


def test_a_name_that_is_somewhere_else_is_nobody_s_we_know() -> None:
    """Whoever read the tags of a node that is gone can say them again: the certificate in them holds anywhere."""
    view = a_view()
    ada = a_member("ada", port=7001)
    up(view, a_member("own"), ada)
    read(view, a_member("own"), replace(ada, status="failed"))
    read(view, a_member("own"), replace(ada, port=7009))
    assert [(one.code, one.port) for one in view.view.unusable] == [("name_moved", 7009)]
    assert NodeId("ada") not in view.view.members
    # Its own next start has another name, and may be anywhere.
    read(view, a_member("own"), replace(ada, port=7009), a_member("ada", 2, port=7002))
    assert view.view.members[NodeId("ada")].port == 7002
    # A name that nobody lists any more is forgotten.
    read(view, a_member("own"))
    read(view, a_member("own"), replace(ada, port=7009))
    assert view.view.members[NodeId("ada")].port == 7009
