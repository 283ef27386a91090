"""Somebody who goes where a node leads them, as the SDK does: the new seat first, then the old socket ends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio

from signalling.client.admission import SessionRequest
from signalling.ids import DeviceId, NodeId, UserId
from tests.simulation.person import ROOM, SimulatedWire

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.universe import Universe

__all__ = ["Traveller", "url_of"]

MEDIA_S: Final = 0.5
"""Until media comes over a new connection; the old one carries it so long."""

MEASURES_S: Final = 8.0
"""Between two measurements: a node takes one in five seconds."""


def url_of(node: NodeId) -> str:
    """Where clients reach a node."""
    return f"http://{node}"


@dataclass
class Traveller:
    """One person.

    Attributes:
        rtts_ms: How far nodes are from them.
        noise_ms: By how much a measurement may be off, either way.
        insists: On the node that they came to.
        at: Where they sit.
        moves: Where they were led, when and why.
        seen_leaving: Whom they saw go.
        sees: Whom they see, and where.
    """

    universe: Universe
    nodes: Mapping[NodeId, SimulatedNode]
    nursery: trio.Nursery
    name: str
    rtts_ms: Mapping[NodeId, float]
    noise_ms: float = 0.0
    insists: bool = False
    at: NodeId | None = None
    attempt: int = 0
    moves: list[tuple[float, NodeId, str]] = field(default_factory=list)
    seen_leaving: list[str] = field(default_factory=list)
    sees: dict[str, str] = field(default_factory=dict)
    token: str = ""

    async def come(self, node: NodeId) -> None:
        """Take a seat there."""
        conductor = self.nodes[node].conductor
        assert conductor is not None
        user = self.nodes[node].user_token(UserId(self.name))
        request = SessionRequest(token=user, device=DeviceId(f"device-{self.name}"))
        self.token = (await conductor.create_session(request)).token
        await self.nursery.start(self._sit, node)

    async def _sit(self, node: NodeId, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.attempt += 1
        dice = self.universe.dice(f"{self.name} {self.attempt}")
        wire = SimulatedWire(dice)
        self.nodes[node].serve(wire)
        wire.say({"topic": "hello", "token": self.token, "client": "sim", "id": 1})
        join = {"moves": True, "gathers": not self.insists, "rtts_ms": self._measured(dice)}
        wire.say({"topic": "join", "room": ROOM, "attempt": self.attempt, **join, "id": 2})
        async with trio.open_nursery() as nursery:
            async for text in wire.at_client:
                message = json.loads(text)
                if message.get("id") == 2:
                    assert message["topic"] == "joined", message
                    self.at = node
                    self.sees = {one["participant"]: one["node"] for one in message["participants"]}
                    task_status.started()
                    nursery.start_soon(self._measure, wire, dice)
                elif message["topic"] == "ping":
                    wire.say({"topic": "pong", "n": message["n"]})
                elif message["topic"] == "move":
                    target = NodeId(message["urls"][0].removeprefix("http://"))
                    self.moves.append((trio.current_time(), target, message["reason"]))
                    await self.nursery.start(self._sit, target)
                    await trio.sleep(MEDIA_S)
                    wire.drop(noticed=True)
                    break
                elif self.at == node:
                    self._hear(message)
            nursery.cancel_scope.cancel()

    def _hear(self, message: dict[str, Any]) -> None:
        match message["topic"]:
            case "participant_joined":
                self.sees[message["participant"]["participant"]] = message["participant"]["node"]
            case "participant_changed":
                self.sees[message["participant"]] = message["node"]
            case "participant_left":
                self.seen_leaving.append(message["participant"])
                self.sees.pop(message["participant"], None)

    def _measured(self, dice: random.Random) -> dict[str, float]:
        return {node: max(1.0, ms + dice.uniform(-self.noise_ms, self.noise_ms)) for node, ms in self.rtts_ms.items()}

    async def _measure(self, wire: SimulatedWire, dice: random.Random) -> None:
        while True:
            await trio.sleep(MEASURES_S)
            wire.say({"topic": "measured", "rtts_ms": self._measured(dice), "id": dice.getrandbits(30) + 3})
