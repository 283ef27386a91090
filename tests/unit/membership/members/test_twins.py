"""Two processes with one id and key: the newer speaks, the older comes back once it is alone. Two ids with one key."""

from membership.members.snapshot import ClusterView, MemberRefused, UnusableMember
from membership.members.twins import REMNANT_S
from membership.members.view import AgentDown, AgentUp, DeadlineReached, MemberView, ReadMembers, RenewAgent, ViewEffect
from membership.rpc.records import SerfMember
from signalling.ids import NodeId
from tests.unit.membership.members.test_view import a_view as a_view_that_looks_often
from tests.unit.membership.members.test_view import changes, read, up
from tests.unit.membership.samples import a_member

HERE = "http://10.0.0.1"
THERE = "http://10.0.0.2"


def a_view() -> MemberView:
    """One whose only deadline is that of a twin."""
    return a_view_that_looks_often(refresh_interval_s=1e6)


def own(boot: int = 3, status: str = "alive", port: int = 7001) -> SerfMember:
    return a_member("own", boot, status=status, port=port, public_url=HERE)


def twin(boot: int = 9, status: str = "alive", port: int = 7002) -> SerfMember:
    return a_member("own", boot, status=status, port=port, public_url=THERE)


def renewals(effects: tuple[ViewEffect, ...]) -> list[int]:
    return [effect.above for effect in effects if isinstance(effect, RenewAgent)]


def test_the_older_of_two_processes_knows_at_once_that_it_counts_for_nobody() -> None:
    view = a_view()
    up(view, own(), boot=3)
    assert own_code(view) == ""
    effects = read(view, own(), twin())
    (refused,) = [change for change in changes(effects) if isinstance(change, MemberRefused)]
    assert (refused.member.serf_name, refused.member.code) == ("own-3", "node_twin")
    assert "127.0.0.1:7002" in refused.member.message
    assert own_code(view) == "node_twin"
    assert url_of(view.view) == THERE, "as all the others see it"
    assert renewals(effects) == []
    assert changes(read(view, own(), twin())) == [], "told once"


def test_when_its_twin_is_gone_it_starts_again_above_it() -> None:
    for gone in ("failed", "left", "leaving"):
        view = a_view()
        up(view, own(), twin(), boot=3)
        effects = read(view, own(), twin(status=gone))
        assert renewals(effects) == [9]
        assert (view.view.own_refusal, url_of(view.view)) == (None, HERE)
        assert renewals(read(view, own(), twin(status=gone))) == [], "once"
        view.handle(AgentDown(), 1)
        view.handle(AgentUp(agent_boot=10), 2)
        effects = read(view, own(status="failed"), own(10), twin(status=gone), now=2)
        assert (renewals(effects), url_of(view.view)) == ([], HERE)


def test_a_twin_that_comes_back_newer_takes_over_again() -> None:
    view = a_view()
    up(view, own(), twin(status="failed"), boot=3)
    view.handle(AgentDown(), 1)
    view.handle(AgentUp(agent_boot=10), 2)
    read(view, own(10), twin(20), now=2)
    assert view.view.own_refusal is not None
    assert renewals(read(view, own(10), twin(20, status="failed"), now=3)) == [20]


def test_the_newer_one_serves_and_shows_the_older_one_that_lives_on() -> None:
    view = a_view()
    up(view, twin(3), own(9), boot=9)
    assert view.view.unusable == ()
    assert asked_anew(view, REMNANT_S - 1) is False
    assert asked_anew(view, REMNANT_S)
    read(view, twin(3), own(9), now=REMNANT_S)
    assert [one.serf_name for one in twins_in(view.view)] == ["own-3"]
    assert (view.view.own_refusal, url_of(view.view)) == (None, HERE)
    read(view, twin(3, status="failed"), own(9), now=REMNANT_S + 1)
    assert twins_in(view.view) == []


def test_a_third_node_shows_the_older_one_too() -> None:
    view = a_view()
    others = a_member("ada", 3, port=7003), a_member("ada", 9, port=7004)
    up(view, own(), *others, boot=3)
    assert asked_anew(view, REMNANT_S)
    read(view, own(), *others, now=REMNANT_S)
    assert [one.serf_name for one in twins_in(view.view)] == ["ada-3"]
    assert view.view.members[NodeId("ada")].tags.agent_boot == 9


def test_what_is_left_of_a_node_that_came_back_is_no_twin() -> None:
    view = a_view()
    up(view, own(9), a_member("own", 3, port=7001), a_member("ada", 3, port=7003), a_member("ada", 9), boot=9)
    read(view, own(9), a_member("ada", 3, port=7003, status="failed"), a_member("ada", 9), now=REMNANT_S - 1)
    assert asked_anew(view, REMNANT_S + 5) is False
    read(view, own(9), a_member("own", 3, port=7001), a_member("ada", 9), now=REMNANT_S + 5)
    assert twins_in(view.view) == []


def test_an_own_agent_that_was_followed_by_another_is_no_twin() -> None:
    view = a_view()
    up(view, own(3), boot=3)
    view.handle(AgentDown(), 1)
    view.handle(AgentUp(agent_boot=4), 2)
    for now in (2.0, 2 + REMNANT_S):
        read(view, own(3), own(4, port=7009), now=now)
        view.handle(DeadlineReached(), now)
    assert twins_in(view.view) == []


def test_of_two_nodes_with_one_key_the_one_that_started_first_stays() -> None:
    view = a_view()
    key = bytes([7]) * 32
    ada, eve = a_member("ada", 5, public_key=key), a_member("eve", 6, public_key=key)
    up(view, own(), ada)
    (refused,) = [one for one in changes(read(view, own(), ada, eve)) if isinstance(one, MemberRefused)]
    assert (refused.member.serf_name, refused.member.code) == ("eve-6", "key_shared")
    assert "remove node-key.pem" in refused.member.message
    assert view.view.members.keys() == {"own", "ada"}
    # A new agent of the same process changes nothing.
    ada = a_member("ada", 9, boot=5, public_key=key)
    read(view, own(), ada, eve)
    assert view.view.members.keys() == {"own", "ada"}
    read(view, own(), a_member("ada", 9, boot=5, public_key=key, status="failed"), eve)
    assert view.view.members.keys() == {"own", "ada", "eve"}, "it is alone with it"


def test_a_node_that_came_later_with_anothers_key_knows_it() -> None:
    view = a_view()
    up(view, a_member("ada", 2, public_key=bytes([7]) * 32), a_member("own", 3, public_key=bytes([7]) * 32), boot=3)
    assert own_code(view) == "key_shared"
    read(view, a_member("ada", 2, public_key=bytes([8]) * 32), a_member("own", 3, public_key=bytes([7]) * 32))
    assert own_code(view) == ""


def own_code(view: MemberView) -> str:
    return "" if view.view.own_refusal is None else view.view.own_refusal.code


def asked_anew(view: MemberView, now: float) -> bool:
    return any(isinstance(effect, ReadMembers) for effect in view.handle(DeadlineReached(), now))


def twins_in(view: ClusterView) -> list[UnusableMember]:
    return [one for one in view.unusable if one.code == "node_twin"]


def url_of(view: ClusterView) -> str:
    return view.members[view.own_id].tags.public_url
