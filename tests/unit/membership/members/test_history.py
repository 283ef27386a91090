"""The history: bounded, numbered, and who flaps."""

from dataclasses import replace

from membership.members.history import MAX_ENTRIES, ChangeHistory
from membership.members.snapshot import (
    MemberRefused,
    MemberState,
    NodeAppeared,
    NodeChanged,
    NodeGone,
    UnusableMember,
    ViewMember,
)
from membership.members.standing import Rules, judge
from membership.members.tags import LoadClass
from signalling.ids import NodeId
from tests.unit.membership.samples import a_member


def a_node(node_id: str = "ada", boot: int = 1) -> ViewMember:
    member = judge(a_member(node_id, boot, region="eu"), Rules(cluster="test"))
    assert isinstance(member, ViewMember)
    return member


def test_what_happened_is_told_with_its_time() -> None:
    history = ChangeHistory()
    ada = a_node()
    busy = replace(ada, tags=replace(ada.tags, load=LoadClass.FULL))
    refused = UnusableMember(
        serf_name="eve-1", address="", port=0, state=MemberState.ALIVE, code="uncertified", message="why"
    )
    history.add([NodeAppeared(member=ada), NodeChanged(before=ada, after=busy)], at_ms=5)
    history.add([NodeGone(member=replace(ada, state=MemberState.LEFT)), MemberRefused(member=refused)], at_ms=7)
    told = [(entry.number, entry.at_ms, entry.kind, entry.node, entry.detail) for entry in history.entries()]
    assert told == [
        (1, 5, "appeared", "ada", "eu 127.0.0.1:7946 boot 1"),
        (2, 5, "changed", "ada", "load busy -> full"),
        (3, 7, "left", "ada", ""),
        (4, 7, "refused", "eve-1", "uncertified: why"),
    ]
    assert [entry.number for entry in history.entries(after=3)] == [4]
    assert history.refusals == {"uncertified": 1}


def test_only_the_same_boot_flaps() -> None:
    history = ChangeHistory()
    first, second = a_node(boot=1), a_node(boot=2)
    for member in (first, first, second, second):
        history.add([NodeAppeared(member=member), NodeGone(member=replace(member, state=MemberState.FAILED))], at_ms=0)
    kinds = [entry.kind for entry in history.entries()]
    assert kinds == ["appeared", "failed", "back", "failed", "appeared", "failed", "back", "failed"]
    assert (history.flaps, history.flaps_of(NodeId("ada")), history.flaps_of(NodeId("bob"))) == (2, 2, 0)


def test_it_is_bounded() -> None:
    history = ChangeHistory()
    for number in range(MAX_ENTRIES + 5):
        history.add([NodeAppeared(member=a_node(f"n{number}"))], at_ms=number)
    entries = history.entries()
    assert (len(entries), entries[0].number, entries[-1].number) == (MAX_ENTRIES, 6, MAX_ENTRIES + 5)
