"""Former names of this node: forgotten late enough for everybody, and only when nobody may live under them."""

import math

from membership.members.own_names import FORGET_AFTER_S, SETTLE_S, OwnNames
from membership.members.snapshot import ViewMember
from membership.members.standing import Rules, judge
from membership.rpc.records import SerfMember
from signalling.ids import NodeId
from tests.unit.membership.samples import a_member


def own_names(*former: str) -> OwnNames:
    names = OwnNames(NodeId("own"))
    names.start(9, former, 0.0)
    return names


def list_them(names: OwnNames, *members: SerfMember, now: float) -> None:
    verdicts = [judge(member, Rules(cluster="test")) for member in members]
    names.listed(members, [one for one in verdicts if isinstance(one, ViewMember)], now)


def test_a_name_that_is_never_listed_goes_after_the_longest_suspicion() -> None:
    names = own_names("own-1")
    assert names.due(FORGET_AFTER_S - 0.1, is_alone=False) == ()
    assert names.due(FORGET_AFTER_S, is_alone=False) == ("own-1",)
    assert names.next_deadline() == math.inf


def test_a_name_that_dies_goes_once_the_news_is_everywhere() -> None:
    names = own_names()
    list_them(names, a_member("own", 9), a_member("own", 8), now=1.0)
    assert names.next_deadline() == math.inf
    for now in (5.0, 6.0):  # the time runs from the first sight of it
        list_them(names, a_member("own", 9), a_member("own", 8, status="failed"), now=now)
    assert names.next_deadline() == 5.0 + SETTLE_S
    assert names.due(5.0 + SETTLE_S, is_alone=False) == ("own-8",)
    list_them(names, a_member("own", 9), a_member("own", 8, status="failed"), now=20.0)
    assert names.next_deadline() == math.inf, "once is enough"
    names.again("own-8", 25.0)
    assert names.due(25.0 + FORGET_AFTER_S, is_alone=False) == ("own-8",), "unless it was not done"


def test_a_name_that_lives_or_leaves_is_waited_for() -> None:
    for status in ("alive", "leaving"):
        names = own_names("own-8")
        list_them(names, a_member("own", 8, status=status), now=1.0)
        for at_s in (FORGET_AFTER_S, 2 * FORGET_AFTER_S):
            assert names.due(at_s, is_alone=False) == ()
        list_them(names, a_member("own", 8, status="left"), now=130.0)
        assert names.due(130.0 + SETTLE_S, is_alone=False) == (("own-8",) if status == "alive" else ())
        assert names.due(3 * FORGET_AFTER_S, is_alone=False) == (() if status == "alive" else ("own-8",))


def test_alone_nothing_is_forgotten_as_nobody_would_hear_it() -> None:
    names = own_names("own-1")
    assert names.due(FORGET_AFTER_S, is_alone=True) == ()
    assert names.due(2 * FORGET_AFTER_S, is_alone=False) == ("own-1",)


def test_the_names_of_others_and_the_present_one_stay() -> None:
    names = own_names()
    list_them(names, a_member("own", 9, status="failed"), a_member("ada", 1, status="failed"), now=1.0)
    assert names.next_deadline() == math.inf
