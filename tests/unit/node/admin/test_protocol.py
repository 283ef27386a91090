"""How long a question may take: at least as long as what it asks for, where nobody answers the node."""

from pathlib import Path
from typing import Final

from membership import MembershipConfig
from membership.agent.orders import FORGET_S
from membership.rpc.client import KEYS_DEADLINE_S
from node.admin.member_orders import MemberOrder
from node.admin.protocol import Question
from signalling.ids import NodeId

CONFIG: Final = MembershipConfig(cluster="test", node_id=NodeId("ada"), region="here", data_dir=Path("/nonexistent"))
CALL_S: Final = CONFIG.call_deadline_s


def test_a_rotation_of_keys_may_wait_for_all_that_it_does() -> None:
    """A report before and one after; between them install, use, list and remove."""
    report_s = CONFIG.query_timeout_s + 2 * CALL_S + KEYS_DEADLINE_S
    assert Question(token="t", topic="keys").deadline_s > 2 * report_s + 4 * KEYS_DEADLINE_S


def test_a_join_and_a_force_leave_may_wait_for_the_agent() -> None:
    join = Question(token="t", topic="member", member_order=MemberOrder(action="join", target="ada"))
    assert join.deadline_s > CONFIG.join_deadline_s + CALL_S
    forget = Question(token="t", topic="member", member_order=MemberOrder(action="forget", target="ada"))
    assert forget.deadline_s > FORGET_S + 2 * CALL_S
