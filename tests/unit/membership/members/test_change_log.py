"""What the log says of the others is a line for each that came, went or was refused, and none for tags."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import structlog

from membership.members.change_log import log_changes
from membership.members.snapshot import ClusterView, MemberState, UnusableMember, changes_between
from membership.members.standing import Rules, judge
from membership.members.tags import LoadClass
from signalling.ids import NodeId
from tests.unit.membership.samples import a_member

EMPTY = ClusterView(own_id=NodeId("me"))
RULES = Rules(cluster="test", cluster_keys=(), revoked_keys=frozenset())


def seen(status: str = "alive", *, load: LoadClass = LoadClass.LOW) -> ClusterView:
    found = judge(a_member("bob", status=status, load=load), RULES)
    assert not isinstance(found, UnusableMember)
    return replace(EMPTY, members=MappingProxyType({found.node_id: found}))


def said(old: ClusterView, new: ClusterView) -> list[tuple[str, str]]:
    with structlog.testing.capture_logs() as lines:
        log_changes(changes_between(old, new))
    return [(line["event"], line["member"]) for line in lines]


def test_who_comes_and_who_goes_has_a_line() -> None:
    assert said(EMPTY, seen()) == [("member alive", "bob")]
    assert said(seen(), seen("failed")) == [("member gone", "bob")]
    assert said(seen("failed"), seen()) == [("member alive", "bob")]


def test_tags_and_what_stays_gone_are_no_news() -> None:
    assert said(seen(), seen(load=LoadClass.FULL)) == []
    assert said(EMPTY, seen("left")) == []


def test_who_is_refused_is_warned_of_with_the_reason() -> None:
    stranger = UnusableMember(
        serf_name="eve-1", address="192.0.2.1", port=1, state=MemberState.ALIVE, code="uncertified", message="no"
    )
    with structlog.testing.capture_logs() as lines:
        log_changes(changes_between(EMPTY, replace(EMPTY, unusable=(stranger,))))
    assert [(line["log_level"], line["member"], line["code"]) for line in lines] == [
        ("warning", "eve-1", "uncertified")
    ]
