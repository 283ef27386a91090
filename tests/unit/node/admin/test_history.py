"""What happened is told afterwards as it was streamed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from membership import ChangeHistory, MemberState, NodeAppeared, NodeGone, ViewMember
from membership.members.standing import Rules, judge
from node.admin.history import event_line, read_history
from tests.unit.membership.samples import a_member

if TYPE_CHECKING:
    from membership import Membership


def test_history_is_what_was_streamed() -> None:
    ada = judge(a_member("ada"), Rules(cluster="test"))
    assert isinstance(ada, ViewMember)
    assert ada.state is MemberState.ALIVE
    history = ChangeHistory()
    history.add([NodeAppeared(member=ada), NodeGone(member=ada), NodeAppeared(member=ada)], at_ms=9)
    mesh = SimpleNamespace(history=history, view=SimpleNamespace(members={ada.node_id: ada}))
    answer = read_history(cast("Membership", mesh))
    assert answer.events == tuple(map(event_line, history.entries()))
    assert [(one.number, one.kind, one.node, one.serf_name, one.at_ms) for one in answer.events] == [
        (1, "appeared", "ada", ada.serf_name, 9),
        (2, "alive", "ada", ada.serf_name, 9),
        (3, "back", "ada", ada.serf_name, 9),
    ]
    assert answer.flaps == {"ada": 1}


def test_nothing_happens_to_a_node_alone() -> None:
    assert read_history(None).events == ()
