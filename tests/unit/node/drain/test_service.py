"""The drain's shell against fakes: what is done in which order, and what it tells its core."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
import trio

from membership import GossipUnavailableError, NodeState, NodeTags
from node.conductor.standing import Standing
from node.drain import Drainer, DrainOverError, Eligibility, open_drainer
from node.drain.core import TELL_AGAIN_S
from node.lifecycle_orders import NodeOrder, carry_out_order
from session import Seat
from session.store import SlotId
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, UserId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from trio.testing import MockClock

    from node.http.candidates import NodeCandidate
    from relay.events import LinkStatus, RelayStatistics
    from signalling.client.messages import LeaveReason

NOWHERE: Final = Path("/nonexistent")
HERE, THERE = NodeId("here"), NodeId("there")
ROOM: Final = RoomId("hall")
LOOK_S: Final = 0.05
TAGS: Final = NodeTags(
    cluster="test", node_id=HERE, role="media", region="r", public_url="http://here", public_key=bytes(32)
)
LINK: Final = cast("LinkStatus", type("Up", (), {"node": THERE, "state": "up"})())


def _seat(number: int) -> Seat:
    return Seat(
        room=ROOM,
        slot=SlotId(f"us_{number}"),
        user=UserId(f"us_{number}"),
        device=DeviceId(f"de_{number}"),
        session=SessionId(f"{number:032x}"),
        attempt=1,
        node=HERE,
        epoch=1,
    )


@dataclass
class Node:
    """All that a drain talks to; ``done`` is what it did, in order."""

    seated: dict[SessionId, Seat] = field(default_factory=dict)
    others: tuple[NodeId, ...] = (THERE,)
    goes: bool = True
    links: tuple[Any, ...] = (LINK,)
    done: list[str] = field(default_factory=list)
    tags: NodeTags = TAGS
    passing: int = 0
    ranking_s: float = 0.0
    carried: int = 0
    deaf: bool = False
    slow_agent_s: float = 0.0
    deaf_people: set[SessionId] = field(default_factory=set)
    engine: int | None = 1
    standing: Standing = field(default_factory=Standing)
    listeners: list[Callable[[SessionId], None]] = field(default_factory=list)

    def start_drain(self) -> None:
        self.done.append("refuse")

    def undo_drain(self) -> None:
        self.done.append("admit")

    async def release_all(self) -> None:
        await trio.lowlevel.checkpoint()
        self.done.append("release")
        self.seated.clear()

    def seats(self) -> tuple[Seat, ...]:
        return tuple(self.seated.values())

    async def targets(self, room: RoomId) -> tuple[NodeCandidate, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(cast("NodeCandidate", type("There", (), {"node": node})()) for node in self.others)

    def report_moves(self, to: Callable[[SessionId], None]) -> None:
        self.listeners.append(to)

    async def send(
        self, people: Iterable[SessionId], within_s: float, *, wanted: Callable[[], bool]
    ) -> tuple[SessionId, ...]:
        assert 0 < within_s <= TELL_AGAIN_S
        stranded = []
        for session in people:
            await trio.sleep(self.ranking_s)
            if not wanted():
                break
            self.done.append("move")
            if not self.others:
                stranded.append(session)
            elif self.goes:
                del self.seated[session]
                for tell in self.listeners:
                    tell(session)
        return tuple(stranded)

    def staying(self) -> int:
        return self.carried

    def understands(self, session: SessionId) -> bool:
        return session not in self.deaf_people

    def expel(self, session: SessionId, room: RoomId, reason: LeaveReason) -> None:
        self.done.append(f"expel {reason}")
        del self.seated[session]

    def share_ahead(self, targets: Mapping[RoomId, frozenset[NodeId]]) -> None:
        self.done.append(f"share {sorted(node for nodes in targets.values() for node in nodes)}")

    def set_draining(self, draining: bool) -> None:
        self.done.append("end routes" if draining else "restore routes")

    def snapshot(self) -> tuple[LinkStatus, ...]:
        return self.links

    def statistics(self) -> RelayStatistics:
        return cast("RelayStatistics", type("Seen", (), {"legs_passed": self.passing})())

    async def set_tags(self, tags: NodeTags) -> None:
        await trio.sleep(self.slow_agent_s)
        if self.deaf:
            raise GossipUnavailableError("no agent")
        self.tags = tags
        self.done.append(f"tag {tags.state.name.lower()}")


@asynccontextmanager
async def _draining(node: Node, people: int, *, folder: Path = NOWHERE) -> AsyncIterator[Drainer]:
    node.seated = {seat.session: seat for seat in map(_seat, range(people))}
    drainer = Drainer(
        standing=node.standing,
        seats=node,
        moves=node,
        rooms=node,
        links=node,
        gossip=node,
        eligibility=Eligibility(folder),
        engine_epoch=lambda: node.engine,
    )
    async with open_drainer(drainer):
        yield drainer


async def _until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    for _ in range(round(within_s / LOOK_S)):
        if holds():
            return
        await trio.sleep(LOOK_S)
    raise AssertionError(f"not within {within_s} s")


async def test_links_then_the_tag_then_routes_then_people(autojump_clock: MockClock) -> None:
    node = Node()
    async with _draining(node, 2) as drainer:
        drainer.drain(deadline_s=30.0)
        assert [problem.code for problem in node.standing.problems()] == ["node_draining"]
        await _until(lambda: drainer.progress().remaining == 0)
        assert node.done == ["refuse", "share ['there']", "tag draining", "end routes", "move", "move"]
        assert (drainer.progress().moved, drainer.progress().left) == (2, 0)
        drainer.undo()
        await _until(lambda: node.done[-1] == "restore routes")
        assert node.done[6:] == ["admit", "tag serving", "share []", "restore routes"]
        assert not node.standing.problems()


async def test_nobody_is_moved_while_tracks_of_other_nodes_pass(autojump_clock: MockClock) -> None:
    node = Node(passing=2)
    async with _draining(node, 1) as drainer:
        drainer.drain(deadline_s=60.0)
        await _until(lambda: "end routes" in node.done)
        await trio.sleep(3.0)
        assert (drainer.progress().passing, "move" in node.done) == (2, False)
        node.passing = 0
        await _until(lambda: drainer.progress().moved == 1, 1.0)
        assert drainer.progress().passing == 0


async def test_a_node_without_people_does_not_end_under_the_tracks_of_others(autojump_clock: MockClock) -> None:
    node = Node(passing=1)
    async with _draining(node, 0) as drainer, trio.open_nursery() as nursery:
        started = trio.current_time()
        nursery.start_soon(partial(drainer.stop, deadline_s=60.0))
        await trio.sleep(2.0)
        assert drainer.progress().state == "draining"
        node.passing = 0
        await _until(lambda: drainer.progress().state == "released", 1.0)
    assert node.done[:4] == ["refuse", "share []", "tag draining", "end routes"]
    assert trio.current_time() - started < 4.0


async def test_nobody_is_told_to_move_after_an_undo(autojump_clock: MockClock) -> None:
    """Neither those whose turn had come, nor those of a batch that was half told."""
    node = Node(goes=False, ranking_s=0.1)
    async with _draining(node, 20) as drainer:
        drainer.drain(deadline_s=30.0, batch=15)
        await _until(lambda: node.done.count("move") == 3)
        await trio.sleep(0.6)  # The second batch waits behind the first.
        drainer.undo()
        told = node.done.count("move")
        await trio.sleep(5.0)
        assert node.done.count("move") == told < 15
        assert node.tags.state is NodeState.SERVING


async def test_a_drain_after_an_undone_one_waits_for_its_own_routes(autojump_clock: MockClock) -> None:
    """The first one's word to the agent is still on its way when it is undone and asked for again."""
    node = Node(slow_agent_s=1.0, passing=1)
    async with _draining(node, 1) as drainer:
        drainer.drain(deadline_s=60.0)
        await trio.sleep(0.5)
        drainer.undo()
        drainer.drain(deadline_s=60.0)
        node.passing = 0
        await _until(lambda: "move" in node.done)
        assert node.done[-2:] == ["end routes", "move"]
        assert node.done.count("end routes") == 1
        assert node.tags.state is NodeState.DRAINING


async def test_orders_without_end_do_not_pile_up(autojump_clock: MockClock) -> None:
    """A drain is asked for and undone hundreds of times while the agent takes no word; the last order is what holds."""
    node = Node(slow_agent_s=1.5)
    async with _draining(node, 1) as drainer:
        for _ in range(600):
            drainer.drain(deadline_s=60.0)
            drainer.undo()
        assert len(drainer._waiting) <= 2
        await _until(lambda: node.done[-1] == "restore routes")
        assert node.tags.state is NodeState.SERVING
        for _ in range(600):
            drainer.drain(deadline_s=60.0)
        await _until(lambda: drainer.progress().moved == 1)


async def test_a_stop_waits_for_those_whose_new_connection_does_not_carry_yet(autojump_clock: MockClock) -> None:
    """They have moved, and what the others see of them still comes from here."""
    node = Node(carried=1)
    async with _draining(node, 1) as drainer, trio.open_nursery() as nursery:
        nursery.start_soon(partial(drainer.stop, deadline_s=60.0))
        await _until(lambda: drainer.progress().moved == 1)
        await trio.sleep(11.0)
        assert drainer.progress().state == "draining"
        node.carried = 0
        await _until(lambda: drainer.progress().state == "released", 1.0)


async def test_links_that_do_not_come_up_are_not_waited_for_long(autojump_clock: MockClock) -> None:
    node = Node(links=())
    async with _draining(node, 1) as drainer:
        started = trio.current_time()
        drainer.drain(deadline_s=30.0)
        await _until(lambda: drainer.progress().moved == 1)
        assert 1.0 < trio.current_time() - started < 3.0


async def test_who_leaves_and_who_came_at_the_last_moment_are_counted(autojump_clock: MockClock) -> None:
    node = Node(goes=False)
    async with _draining(node, 2) as drainer:
        drainer.drain(deadline_s=30.0)
        await _until(lambda: node.done.count("move") == 2)
        late = _seat(7)
        node.seated[late.session] = late
        del node.seated[_seat(0).session]
        await _until(lambda: drainer.progress().left == 1)
        assert drainer.progress().remaining == 2
        await _until(lambda: node.done.count("move") == 3)


async def test_an_engine_that_is_replaced_hurries_everybody(autojump_clock: MockClock) -> None:
    node = Node(goes=False)
    async with _draining(node, 8) as drainer:
        drainer.drain(deadline_s=600.0, batch=1)
        await _until(lambda: node.done.count("move") == 1)
        node.engine = None
        await _until(lambda: node.done.count("move") == 8, 0.5)


async def test_who_does_not_understand_is_released_before_the_deadline(autojump_clock: MockClock) -> None:
    node = Node(goes=False)
    async with _draining(node, 2) as drainer:
        node.deaf_people = set(node.seated)
        drainer.drain(deadline_s=20.0)
        await _until(lambda: drainer.progress().released == 2, within_s=19.0)
        assert node.done[-2:] == ["expel node_drained"] * 2
        assert (drainer.progress().left, drainer.progress().remaining) == (0, 0)
        assert drainer.progress().state == "draining"


async def test_a_stop_returns_when_all_have_gone(autojump_clock: MockClock) -> None:
    node = Node()
    async with _draining(node, 3) as drainer:
        with trio.fail_after(5.0):
            await drainer.stop(deadline_s=30.0)
        assert "release" not in node.done
        with pytest.raises(DrainOverError):
            drainer.undo()


async def test_a_stop_releases_who_is_still_here_at_the_deadline(autojump_clock: MockClock) -> None:
    node = Node(goes=False)
    async with _draining(node, 1) as drainer:
        started = trio.current_time()
        await drainer.stop(deadline_s=7.0)
        assert 7.0 <= trio.current_time() - started < 8.0
        assert node.done[-1] == "release"


async def test_a_node_alone_stops_at_once(autojump_clock: MockClock) -> None:
    node = Node(others=())
    async with _draining(node, 2) as drainer:
        with trio.fail_after(1.0):
            await drainer.stop(deadline_s=30.0)
        assert node.done[-1] == "release"


async def test_gossip_that_is_away_stops_no_drain(autojump_clock: MockClock) -> None:
    node = Node(deaf=True)
    async with _draining(node, 1) as drainer:
        await drainer.stop(deadline_s=30.0)
        assert "move" in node.done


async def test_orders_and_their_answers(autojump_clock: MockClock, tmp_path: Path) -> None:
    node = Node(goes=False)
    async with _draining(node, 2, folder=tmp_path) as drainer:

        async def order(**what: Any) -> tuple[str, bool, int, int, str]:
            answer = await carry_out_order(HERE, drainer, NodeOrder(**what))
            return answer.state, answer.eligible, answer.remaining, answer.released, answer.code

        assert await order() == ("serving", True, 2, 0, "")
        assert await order(action="ineligible") == ("serving", False, 2, 0, "")
        assert node.tags == replace(TAGS, eligible=False)
        assert [problem.code for problem in node.standing.problems()] == ["node_ineligible"]
        assert await order(action="eligible") == ("serving", True, 2, 0, "")
        assert await order(action="drain") == ("draining", True, 2, 0, "")
        await _until(lambda: node.tags.state is NodeState.DRAINING)
        assert await order(action="undrain") == ("serving", True, 2, 0, "")
        assert await order(action="drain", moves=False) == ("released", True, 0, 2, "")
        await _until(lambda: node.done[-1] == "release")
        assert await order(action="undrain") == ("released", True, 0, 2, "drain_over")


async def test_what_the_folder_does_not_take_is_not_done(autojump_clock: MockClock) -> None:
    node = Node()
    async with _draining(node, 0) as drainer:
        answer = await carry_out_order(HERE, drainer, NodeOrder(action="ineligible"))
    assert (answer.code, answer.eligible) == ("data_dir_unwritable", True)
    assert str(NOWHERE) in answer.message
    assert node.tags == TAGS
