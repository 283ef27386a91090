"""One seed, from start to verdict; and many, from the command line.

python -m tests.simulation.run --seeds 1000      a thousand seeds; the first that fails tells how to replay it
python -m tests.simulation.run --seed 123        one, with its story
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio
from trio.testing import MockClock

from session import RoomDirectory
from signalling.client.admission import SessionRequest
from signalling.ids import DeviceId, UserId, participant_id
from tests.simulation.faulty_store import FaultyStore
from tests.simulation.links import Links
from tests.simulation.moderator import ORDERS, Moderator
from tests.simulation.person import ROOM, Device
from tests.simulation.simulated_node import SimulatedNode, settings_of
from tests.simulation.universe import Universe
from tests.simulation.watch import Watch
from tests.unit.durable.memory_repository import MemoryRepository

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Verdict", "simulate"]

PLAY_S: Final = 40.0
"""How long people act and things break."""

REST_S: Final = 60.0
"""Ping timeout (15 s), grace (6 s), lease (8 s), a silent device's own timeout and its next join, and again."""


@dataclass(frozen=True)
class Verdict:
    """How a seed ended.

    Attributes:
        seed: which.
        fingerprint: of its story.
        wrongs: what must not be.
        story: what happened, line by line.
    """

    seed: int
    fingerprint: str
    wrongs: tuple[str, ...]
    story: tuple[str, ...]


def simulate(seed: int) -> Verdict:
    """Run one seed."""
    universe = Universe(seed)
    with universe.begun():
        wrongs = trio.run(_simulate, universe, clock=MockClock(autojump_threshold=0))
    return Verdict(seed, universe.fingerprint(), tuple(wrongs), tuple(universe.story))


async def _simulate(universe: Universe) -> list[str]:
    dice = universe.dice("plan")
    settings = settings_of(SimulatedNode.id_of(0))
    repository = MemoryRepository()
    universe.cap = dice.choice((10, 10, 10, 10, 10, 2))
    directory = RoomDirectory(repository, max_rooms=10)
    async with trio.open_nursery() as nursery:
        store = FaultyStore(
            universe,
            lease_s=settings.lease_s,
            tombstone_s=settings.tombstone_s,
            repository=repository,
            late=nursery,
        )
        links = Links(universe, nursery)
        nodes = tuple(
            SimulatedNode(
                universe,
                SimulatedNode.id_of(number),
                store=store,
                directory=directory,
                repository=repository,
                links=links,
            )
            for number in range(dice.choice((2, 2, 3)))
        )
        for node in nodes:
            await nursery.start(node.live)
        moderator = Moderator(universe, nodes, store)
        await moderator.open_room(directory)
        devices = await _people(universe, nodes, nursery)
        for device in devices:
            nursery.start_soon(device.live, PLAY_S)
        watch = Watch(universe, nodes, store, devices)
        nursery.start_soon(watch.look_on)
        nursery.start_soon(_give_orders, universe, moderator, devices)
        await _break_things(universe, nodes, store, links, nursery)
        await trio.sleep_until(PLAY_S + REST_S)
        wrongs = [*watch.wrongs, *_look(universe, nodes, store, devices)]
        nursery.cancel_scope.cancel()
    return wrongs


async def _people(universe: Universe, nodes: tuple[SimulatedNode, ...], nursery: trio.Nursery) -> tuple[Device, ...]:
    dice = universe.dice("people")
    devices: list[Device] = []
    for number in range(dice.choice((2, 3, 3))):
        user = UserId(f"user-{number}")
        for tab in range(dice.choice((1, 1, 2))):
            name = DeviceId(f"device-{number}-{tab}")
            conductor = nodes[0].conductor
            assert conductor is not None
            token = nodes[0].user_token(user)
            grant = await conductor.create_session(SessionRequest(token=token, device=name))
            devices.append(Device(universe, nodes, nursery, user, name, grant.token))
    if dice.random() < 0.5:
        first = devices[0]
        devices.append(Device(universe, nodes, nursery, first.user, first.device, first.token, attempt=1, twin=True))
    stays = devices[0].stays
    for device in devices:
        device.everybody, device.stays = devices, stays
    return tuple(devices)


async def _break_things(
    universe: Universe,
    nodes: tuple[SimulatedNode, ...],
    store: FaultyStore,
    links: Links,
    nursery: trio.Nursery,
) -> None:
    """Some faults, one after the other, and all of them mended in the end."""
    dice = universe.dice("faults")
    kinds = ("cut", "mend", "away", "back", "lossy", "fail over", "replicate", "kill", "clock", "twice", "calm")
    chosen = dice.sample(kinds, dice.randint(0, 6))
    universe.is_calm = not chosen
    for at in sorted(dice.uniform(2.0, PLAY_S) for _ in range(3 * len(chosen))):
        await trio.sleep_until(at)
        kind = dice.choice(chosen)
        node, other = dice.sample(nodes, 2)
        universe.tell("fault", f"{kind} {node.id} {other.id}")
        match kind:
            case "cut" if node.is_alive and other.is_alive:
                links.part(node.id, other.id)
            case "mend":
                links.mend()
            case "away":
                store.go_away()
            case "back":
                store.come_back()
            case "lossy":
                store.lose_answers(0.3)
            case "fail over":
                store.fail_over()
            case "replicate":
                store.replicate()
            case "kill" if node.is_alive and other.is_alive:
                node.kill()
                nursery.start_soon(_revive, node, dice.uniform(0.5, 20.0), nursery)
            case "clock":
                universe.skews[node.id] = dice.uniform(-30.0, 30.0)
            case "twice":
                links.twice = 0.3
            case _:
                store.lost_answers = 0.0
    await trio.sleep_until(PLAY_S)
    universe.tell("fault", "all over")
    store.heal()
    links.mend()
    links.twice = 0.0


async def _give_orders(universe: Universe, moderator: Moderator, devices: Sequence[Device]) -> None:
    """In some runs a few, and all of them taken back in the end."""
    dice = universe.dice("orders")
    users = sorted({device.user for device in devices})
    if dice.random() < 0.5:
        return
    for at in sorted(dice.uniform(2.0, PLAY_S) for _ in range(dice.randint(1, 8))):
        await trio.sleep_until(at)
        universe.is_calm = False
        await moderator.order(dice.choice(ORDERS), dice.choice(users))
    await trio.sleep_until(PLAY_S)
    await moderator.take_back(users)


async def _revive(node: SimulatedNode, seconds: float, nursery: trio.Nursery) -> None:
    await trio.sleep(seconds)
    if not node.is_alive:
        await nursery.start(node.live)


def _look(
    universe: Universe, nodes: Sequence[SimulatedNode], store: FaultyStore, devices: Sequence[Device]
) -> list[str]:
    """What is wrong at rest."""
    wrongs = [f"{device.name}: {wrong}" for device in devices for wrong in device.wrongs]
    believed = {device.seat: device for device in devices if device.seat is not None}
    people = {participant_id(ROOM, device.user, device.device): device for device in believed.values()}
    users = [device.user for device in believed.values()]
    wrongs += [f"{user} is in twice" for user in sorted(set(users)) if users.count(user) > 1]
    shown = store.shown(ROOM)
    wrongs += [f"the store shows {session[:6]}, which nobody is" for session in sorted(shown - believed.keys())]
    wrongs += [f"the store lacks {believed[session].name}" for session in sorted(believed.keys() - shown)]
    for node in nodes:
        if not node.is_alive or ROOM not in node.rooms.live_rooms():
            continue
        names = [info.participant for info in node.rooms.snapshot(ROOM)]
        wrongs += [f"{node.id} sees {name} twice" for name in sorted(set(names)) if names.count(name) > 1]
        wrongs += [f"{node.id} sees a ghost, {name}" for name in sorted(set(names) - people.keys())]
        wrongs += [f"{node.id} does not see {people[name].name}" for name in sorted(people.keys() - set(names))]
    for who, device in sorted(people.items()):
        others = set(people) - {who}
        wrongs += [f"{device.name} sees a ghost, {name}" for name in sorted(device.view.keys() - others)]
        wrongs += [f"{device.name} does not see {people[name].name}" for name in sorted(others - device.view.keys())]
        astray = [name for name in sorted(others & device.view.keys()) if device.view[name] != people[name].home]
        wrongs += [f"{device.name} sees {people[name].name} on {device.view[name]}" for name in astray]
    waiting = [device for device in devices if device.seat is None and not device.is_done]
    if len({device.user for device in devices}) <= universe.cap:
        wrongs += [f"{device.name} is not in, and did not leave" for device in waiting]
    return wrongs


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="how many, from the first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="this one alone, with its story")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        verdict = simulate(chosen.seed)
        _say(*verdict.story, f"fingerprint {verdict.fingerprint}", *verdict.wrongs)
        return 1 if verdict.wrongs else 0
    started, failed = time.monotonic(), 0
    for done, seed in enumerate(range(chosen.first, chosen.first + chosen.seeds), 1):
        verdict = simulate(seed)
        if verdict.wrongs:
            failed += 1
            _say(f"seed {seed} fails; replay it by: make simulate SEED={seed}", *verdict.wrongs)
        if done % 50 == 0 or done == chosen.seeds:
            rate = done / (time.monotonic() - started)
            _say(f"{done} of {chosen.seeds} seeds, {failed} failed, {rate:.1f} each second")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
