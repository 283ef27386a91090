"""People, their devices, and the sockets between a device and a node."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio

from signalling.client.messages import MAX_CHAT_SEEN
from signalling.ids import DeviceId, RoomId, UserId, participant_id

if TYPE_CHECKING:
    import random

    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.universe import Universe

__all__ = ["ROOM", "Device", "SimulatedWire", "WireLostError"]

ROOM: Final = RoomId("hall")

REPLY_S: Final = 8.0
"""For an answer; a device that gets none takes its socket for dead."""

JOIN_S: Final = 3.0
"""By which a join may be granted before one that was asked for earlier."""

SILENCE_S: Final = 15.0
"""As the SDK: the node pings every 5 s."""


class WireLostError(Exception):
    """The socket is gone."""


class SimulatedWire:
    """One WebSocket, both ends: the node's is a :class:`node.http.connection.Wire`."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.scope = trio.CancelScope()
        """Cancelled when the node learns that the client is gone."""
        self.is_over = False
        self.is_cut = False
        """Nothing passes any more, and neither end knows."""
        self._to_node, self._at_node = trio.open_memory_channel[str](256)
        self._to_client, self.at_client = trio.open_memory_channel[str](1_024)

    # --- the node's end ---

    async def receive(self) -> str | bytes:
        """See the port."""
        text = await self._at_node.receive()
        await trio.sleep(self._dice.uniform(0.001, 0.08))
        return text

    async def send(self, text: str) -> None:
        """See the port."""
        await trio.sleep(self._dice.uniform(0.001, 0.08))
        if not self.is_cut:
            try:
                await self._to_client.send(text)
            except trio.BrokenResourceError:
                await trio.sleep_forever()

    async def close(self, code: int, reason: str) -> None:
        """See the port."""
        await trio.lowlevel.checkpoint()
        if not self.is_cut:
            self._to_client.close()

    def end(self) -> None:
        """The node let go of it; a client that can still be reached hears so."""
        self.is_over = True
        if not self.is_cut:
            self._to_client.close()

    # --- the client's end ---

    def say(self, message: dict[str, Any]) -> None:
        """Send something; what is sent on a dead socket is lost."""
        if not self.is_cut and not self.is_over:
            self._to_node.send_nowait(json.dumps(message))

    def drop(self, *, noticed: bool) -> None:
        """End it; unnoticed, the node finds out by its pings."""
        self.is_cut = True
        if noticed:
            self.scope.cancel()


@dataclass
class Stay:
    """One session's time in the room, as its device knows it."""

    user: UserId
    session: str
    since: float
    until: float = float("inf")


@dataclass
class Device:
    """One browser tab: joins, stays, refreshes, moves, drops, leaves.

    What it believes is what its user believes: `seat` is the session with which it is in the room.
    """

    universe: Universe
    nodes: tuple[SimulatedNode, ...]
    nursery: trio.Nursery
    user: UserId
    device: DeviceId
    token: str
    attempt: int = 0
    seat: str | None = None
    node: SimulatedNode | None = None
    is_done: bool = False
    """It left, or was replaced: its user does not come back."""
    view: dict[str, str] = field(default_factory=dict)
    """Whom it sees, and on which node."""
    chats: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    wire: SimulatedWire | None = None
    last_exit: str = ""
    everybody: list[Device] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    """Everybody's, of the whole run."""
    twin: bool = False
    """A second socket with the same token and attempt: it gives up when it is refused."""

    def __post_init__(self) -> None:
        self._dice = self.universe.dice(f"device {self.device} {self.twin}")
        self.name = f"{self.user}/{self.device}{'/twin' if self.twin else ''}"

    @property
    def home(self) -> str:
        """The node it is on, if on any."""
        return "" if self.node is None else self.node.id

    async def live(self, until: float) -> None:
        """Do what people do until then, and stay where it is afterwards."""
        await trio.sleep(self._dice.uniform(0.0, 4.0))
        while not self.is_done:
            try:
                await self._stay(until)
            except WireLostError:
                self._lose_seat("its socket is lost")
                await trio.sleep(self._dice.uniform(0.05, 1.5))

    async def _stay(self, until: float) -> None:
        alive = [node for node in self.nodes if node.is_alive]
        if not alive:
            raise WireLostError
        self.node = self._dice.choice(alive)
        self.wire = wire = SimulatedWire(self.universe.dice(f"wire {self.name} {self.attempt} {trio.current_time()}"))
        self.node.serve(wire)
        welcome = await self._ask(wire, {"topic": "hello", "token": self.token, "client": "sim"})
        if welcome["topic"] != "welcome":
            raise WireLostError
        await self._join(wire, welcome["session"])
        if not self.is_done:
            await self._be_in(wire, until)

    async def _join(self, wire: SimulatedWire, session: str) -> None:
        if not self.twin:
            self.attempt += 1
        if not self.twin and self._dice.random() < 0.15:
            # Impatient: the page is loaded again before the answer is there.
            wire.say({"topic": "join", "room": ROOM, "attempt": self.attempt})
            self.stays.append(Stay(self.user, session, trio.current_time(), trio.current_time() + 1.0))
            await trio.sleep(self._dice.uniform(0.0, 0.3))
            wire.is_cut = True
            self.nursery.start_soon(_notice_later, wire, self._dice.uniform(0.0, 2.0))
            raise WireLostError
        self.stays.append(Stay(self.user, session, trio.current_time()))
        for _ in range(2):
            self.universe.tell(self.name, f"joins {self.node.id if self.node else ''} as {session[:6]}, {self.attempt}")
            # Its page remembers what was said: a reload is a rejoin of the SDK.
            seen = {"chat_after": self.chats[-1], "chat_seen": self.chats[-MAX_CHAT_SEEN:]} if self.chats else {}
            reply = await self._ask(wire, {"topic": "join", "room": ROOM, "attempt": self.attempt, **seen})
            if reply["topic"] == "joined":
                self.seat = session
                for missed in reply.get("missed", ()):
                    self._read_chat(missed)
                self.view = {each["participant"]: each["node"] for each in reply["participants"]}
                if len(self.view) != len(reply["participants"]):
                    self.wrongs.append("a person twice in `joined`")
                self.universe.tell(self.name, f"is in, with {len(self.view)} others")
                return
            self.universe.tell(self.name, f"is refused: {reply['code']}")
            if self.twin:
                self.is_done = True
                return
            if reply["code"] != "attempt_stale":
                break
            self.attempt = reply["highest_attempt"] + 1
        raise WireLostError

    async def _be_in(self, wire: SimulatedWire, until: float) -> None:
        """Hear what happens, until it is time to do something else."""
        stays = self._dice.expovariate(1 / 8.0)
        at = trio.current_time() + stays
        while True:
            acts = at < until
            with trio.move_on_at(at if acts else trio.current_time() + 10_000) as waiting:
                message = await self._read(wire)
                self._hear(message)
                if self.seat is None:
                    wire.drop(noticed=True)
                    return
                continue
            assert waiting.cancelled_caught
            await self._act(wire)
            if self.seat is None:
                return
            at = trio.current_time() + self._dice.expovariate(1 / 8.0)

    async def _act(self, wire: SimulatedWire) -> None:
        match self._dice.choice(("refresh", "refresh", "drop", "vanish", "leave", "chat", "chat")):
            case "refresh":
                # The new page connects before anybody notices that the old socket is gone.
                self.universe.tell(self.name, "refreshes")
                self._lose_seat("refreshed")
                wire.is_cut = True
                self.nursery.start_soon(_notice_later, wire, self._dice.uniform(0.0, 2.0))
            case "drop":
                self.universe.tell(self.name, "drops")
                self._lose_seat("dropped")
                wire.drop(noticed=True)
                await trio.sleep(self._dice.uniform(0.0, 12.0))
            case "vanish":
                self.universe.tell(self.name, "vanishes")
                self._lose_seat("vanished")
                wire.drop(noticed=False)
                await trio.sleep(self._dice.uniform(0.0, 20.0))
            case "leave":
                self.universe.tell(self.name, "leaves")
                self._lose_seat("left")
                await self._ask(wire, {"topic": "leave"})
                wire.drop(noticed=True)
                self.is_done = self._dice.random() < 0.5
                await trio.sleep(self._dice.uniform(0.0, 5.0))
            case _:
                wire.say({"topic": "chat", "text": "hi", "nonce": f"{self._dice.getrandbits(64):x}", "id": 999})

    def _lose_seat(self, why: str) -> None:
        if self.seat is not None:
            self.universe.tell(self.name, f"is out: {why}")
            self.last_exit = why
            for stay in self.stays:
                if stay.session == self.seat:
                    stay.until = trio.current_time()
        self.seat = None

    async def _ask(self, wire: SimulatedWire, request: dict[str, Any]) -> dict[str, Any]:
        number = self._dice.getrandbits(30)
        wire.say({**request, "id": number})
        with trio.move_on_after(REPLY_S):
            while True:
                message = await self._read(wire)
                if message.get("id") == number:
                    return message
                self._hear(message)
        wire.drop(noticed=True)
        raise WireLostError

    async def _read(self, wire: SimulatedWire) -> dict[str, Any]:
        with trio.move_on_after(SILENCE_S):
            try:
                message: dict[str, Any] = json.loads(await wire.at_client.receive())
            except trio.EndOfChannel:
                raise WireLostError from None
            if message["topic"] == "ping":
                wire.say({"topic": "pong", "n": message["n"]})
            return message
        wire.drop(noticed=True)
        raise WireLostError

    def _hear(self, message: dict[str, Any]) -> None:
        match message["topic"]:
            case "replaced":
                self._check_replaced()
                self._lose_seat("replaced")
                self.is_done = True
            case "seat_lost":
                if message["reason"] != "kicked" or not self.universe.is_moderated:
                    self.wrongs.append(f"is put out on a socket that stands: {message['reason']}")
                self._lose_seat(message["reason"])
            case "token":
                self.token = message["token"]
            case "participant_joined":
                who = message["participant"]
                if who["participant"] in self.view:
                    self.wrongs.append(f"{who['name']} comes and was there already")
                self.view[who["participant"]] = who["node"]
                self.universe.tell(self.name, f"sees {who['name']} come")
            case "participant_changed":
                if message["participant"] not in self.view:
                    self.wrongs.append(f"{message['name']} moves and was not there")
                self.view[message["participant"]] = message["node"]
            case "participant_left":
                if self.view.pop(message["participant"], None) is None:
                    self.wrongs.append(f"{message['participant']} goes and was not there")
                self._check_gone(message["participant"])
                self.universe.tell(self.name, f"sees somebody go: {message['reason']}")
            case "chat":
                self._read_chat(message)

    def _read_chat(self, message: dict[str, Any]) -> None:
        if message["message"] in self.chats:
            self.wrongs.append("a chat message twice")
        self.chats.append(message["message"])

    # --- what must hold all the time ---

    def _check_replaced(self) -> None:
        """Another session of the same user wants the seat, or wanted it while this one had it."""
        mine = next((stay for stay in self.stays if stay.session == self.seat), None)
        if mine is not None and not any(
            stay.user == self.user
            and stay is not mine
            and stay.until >= mine.since
            and (self.universe.skews or stay.since >= mine.since - JOIN_S)
            for stay in self.stays
        ):
            self.wrongs.append("is replaced, and nobody else came")

    def _check_gone(self, who: str) -> None:
        """Nobody goes for those who stay when somebody refreshes the page."""
        for device in self.everybody:
            if participant_id(ROOM, device.user, device.device) != who or not self.universe.is_calm or device.twin:
                continue
            # Another device of the same user may have been in for a moment.
            since = trio.current_time() - JOIN_S
            is_alone = sum(stay.user == device.user and stay.until > since for stay in self.stays) < 3
            if device.last_exit == "refreshed" and not device.is_done and is_alone:
                self.wrongs.append(f"sees {device.name} go, who only refreshed the page")


async def _notice_later(wire: SimulatedWire, seconds: float) -> None:
    await trio.sleep(seconds)
    wire.scope.cancel()
