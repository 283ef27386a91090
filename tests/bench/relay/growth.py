"""What a participant costs when the same people are on six nodes in place of two.

One room, everybody in it takes the picture of everybody else. Six nodes run on loopback all the time; the people come
to two of them, and then to all six, round by round. Every picture then goes to five far nodes in place of one, beside
one to each of the others: so a small room grows by more, and `STARLING_BENCH_PEOPLE` is part of the figure.
Counted is CPU of the nodes with people, their engines and themselves (Python), above what they use without people;
agents, store and people are not counted.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from node.admin import ADMIN_FILE, AdminFile
from node.demo.cast import Stage
from node.demo.cluster import open_cluster
from sfu.participants import VideoPlan, open_participants
from signalling.client.connection import open_client
from signalling.ids import NodeId, RoomId
from tests.bench.accounting import cpu_s
from tests.bench.relay.part import Outcome, Part
from tests.bench.relay.people import MANY, take_part
from tests.bench.report import at_most, watch_machine
from tests.cluster.lab.visitors import PATIENT, new_token, read_tokens
from tests.cluster.processes import descendants, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from node.demo.cluster import Cluster
    from session import Tokens
    from sfu.participants import Participants
    from tests.bench.relay.part import Say
    from tests.bench.rounds import Rounds

__all__ = ["GROWTH", "Cost", "grown"]

FEW: Final = 2
MANY_NODES: Final = 6

PEOPLE: Final = int(os.environ.get("STARLING_BENCH_PEOPLE", "60"))
"""So many pictures go to so many people less one: 60 people receive 53,000 packets a second.

Sound would be 50 a second more from each to each, too much for two cores that carry nodes and people.
"""

VIDEO: Final = VideoPlan(frames_per_s=15, bits_per_s=120_000)
"""A packet a picture."""

ROOM: Final = RoomId("room")
GOAL: Final = 1.25

LONGER: Final = 2
"""Times the seconds of a measurement: six processes in place of two share them."""

LINKED_S: Final = 30.0
TOGETHER_S: Final = 60.0
POLL_S: Final = 0.2

STAGES: Final = tuple(
    Stage(node=NodeId(f"node-{number}"), region=f"region-{number}", latitude=0.0, longitude=10.0 * number)
    for number in range(1, MANY_NODES + 1)
)


class ParticipantsMissingError(Exception):
    """Not everybody sees everybody; says how many do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What the nodes with people used, shares of a core for each participant.

    Attributes:
        nodes: How many.
        engines: Their engines, above what they used without people.
        pythons: The nodes themselves, likewise.
        idle_engines: What these engines used without people, each.
        idle_pythons: What these nodes used without people, each.
        received_per_s: Packets that all people received a second.
        idle_percent: Share of the machine that nobody used meanwhile.
    """

    nodes: int
    engines: float
    pythons: float
    idle_engines: float
    idle_pythons: float
    received_per_s: float
    idle_percent: float

    @property
    def whole(self) -> float:
        """All that a participant takes."""
        return self.engines + self.pythons


def grown(few: Sequence[Cost], many: Sequence[Cost]) -> list[float]:
    """How much more a participant costs, round by round; endless where few cost nothing."""
    pairs = zip(few, many, strict=True)
    return [other.whole / one.whole if one.whole > 0 else float("inf") for one, other in pairs]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pids:
    """A node's processes."""

    engine: int
    python: int


async def measure(rounds: Rounds, say: Say) -> Outcome:
    """Let people come to few nodes and to many, by turns."""
    say(f"starting {MANY_NODES} nodes")
    few: list[Cost] = []
    many: list[Cost] = []
    settings = {"mesh": {"warm_links": MANY_NODES}, "media": {"workers": 1}, "http": MANY, "rooms": {"grace_s": 0}}
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(open_cluster(STAGES, settings=settings))
        pids = [_pids(cluster, stage.node) for stage in STAGES]
        tokens = read_tokens(cluster.folder / STAGES[0].node)
        await trio.sleep(rounds.warm_up_s)
        idle = await _shares(pids, LONGER * rounds.measure_s)
        for number in range(rounds.count):
            for count, costs in ((FEW, few), (MANY_NODES, many)):
                async with _people(cluster, count, tokens) as participants:
                    await trio.sleep(rounds.warm_up_s)
                    described, before = watch_machine(), await _received(participants)
                    used = await _shares(pids[:count], LONGER * rounds.measure_s)
                    received = await _received(participants) - before
                costs.append(
                    Cost(
                        nodes=count,
                        engines=sum(one[0] - rest[0] for one, rest in zip(used, idle, strict=False)) / PEOPLE,
                        pythons=sum(one[1] - rest[1] for one, rest in zip(used, idle, strict=False)) / PEOPLE,
                        idle_engines=sum(one[0] for one in idle[:count]) / count,
                        idle_pythons=sum(one[1] for one in idle[:count]) / count,
                        received_per_s=received / (LONGER * rounds.measure_s),
                        idle_percent=described().idle_percent,
                    )
                )
                say(f"{number + 1}/{rounds.count} {_described(costs[-1])}")
    return Outcome(
        goals=[at_most(f"CPU a participant of {PEOPLE}, {MANY_NODES} nodes / {FEW}", GOAL, grown(few, many))],
        raw={"people": PEOPLE, "few": [asdict(one) for one in few], "many": [asdict(one) for one in many]},
    )


@asynccontextmanager
async def _people(cluster: Cluster, count: int, tokens: Tokens) -> AsyncIterator[Participants]:
    """Everybody in, evenly on so many nodes, and each receives each.

    Raises:
        ParticipantsMissingError: They do not in time.
    """
    async with open_participants(deadline_s=PATIENT.reply_s) as participants, trio.open_nursery() as nursery:
        sitting = 0
        with trio.move_on_after(TOGETHER_S) as patience:
            for stamp in range(PEOPLE):
                url = cluster.at(STAGES[stamp % count].node).url
                await nursery.start(partial(_sit, url, tokens, participants, stamp))
                sitting += 1
            while await _pairs(participants) < PEOPLE * (PEOPLE - 1):
                await trio.sleep(POLL_S)
        if patience.cancelled_caught:
            pairs = await _pairs(participants)
            raise ParticipantsMissingError(
                f"after {TOGETHER_S:g} s {sitting} of {PEOPLE} people are in, and {pairs} of {PEOPLE * (PEOPLE - 1)} "
                "pictures arrive: the machine is too busy, or STARLING_BENCH_PEOPLE too many for it"
            )
        yield participants
        nursery.cancel_scope.cancel()


async def _sit(
    url: str, tokens: Tokens, participants: Participants, stamp: int, *, task_status: trio.TaskStatus[None]
) -> None:
    address = f"{url.replace('http', 'ws', 1)}/v1/session"
    async with open_client(address, token=new_token(tokens), timeouts=PATIENT) as client:
        try:
            await take_part(
                client,
                ROOM,
                participants,
                name=f"p{stamp}",
                stamp=stamp,
                video=VIDEO,
                audio=False,
                task_status=task_status,
            )
        finally:
            with trio.move_on_after(PATIENT.close_s, shield=True):
                await client.leave()


async def _pairs(participants: Participants) -> int:
    """How many pictures are received by somebody."""
    return sum(
        media.kind == "video" and media.packets > 0
        for report in await participants.report()
        for media in report.received
    )


async def _received(participants: Participants) -> int:
    return sum(media.packets for report in await participants.report() for media in report.received)


def _pids(cluster: Cluster, node: str) -> _Pids:
    admin = msgspec.json.decode((cluster.at(node).data_dir / ADMIN_FILE).read_bytes(), type=AdminFile)
    engine = next(pid for pid in descendants(admin.pid) if program(pid) == "starling-sfu")
    return _Pids(engine=engine, python=admin.pid)


async def _shares(pids: Sequence[_Pids], seconds: float) -> list[tuple[float, float]]:
    """What each node's engine and the node itself use in so long, shares of a core."""
    before, began = [(cpu_s(one.engine), cpu_s(one.python)) for one in pids], trio.current_time()
    await trio.sleep(seconds)
    after, took = [(cpu_s(one.engine), cpu_s(one.python)) for one in pids], trio.current_time() - began
    return [((b[0] - a[0]) / took, (b[1] - a[1]) / took) for a, b in zip(before, after, strict=True)]


def _described(cost: Cost) -> str:
    return (
        f"on {cost.nodes} nodes a participant takes {cost.engines:.2%} of a core in engines and {cost.pythons:.2%} in "
        f"nodes, {cost.received_per_s:.0f} packets/s received, {cost.idle_percent:.0f} % idle"
    )


def _takes_s(rounds: Rounds) -> float:
    each = rounds.warm_up_s + LONGER * rounds.measure_s
    return 30 + each + rounds.count * 2 * (each + PEOPLE * 0.4)


GROWTH: Final = Part(
    name="growth",
    about="CPU a participant, the same people on two nodes and on six",
    seconds=_takes_s,
    needs_lab=False,
    measure=measure,
)
