"""Janus, from Debian's package, doing the same job: one publisher in a video room, and subscribers to it.

It is fetched and unpacked below `build/bench/`, as set-up does it where nobody is root; nothing is installed. Where
that fails, the benchmark says so and judges nothing against it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from trio_websocket import open_websocket_url

from deploy.setup import apt
from deploy.setup.errors import SetupError
from deploy.setup.step import Step
from deploy.setup.unpack import unpack
from tests.bench.accounting import part, watch
from tests.bench.forwarding import SETTLE_S, Reading, Scene
from tests.bench.load import open_load
from tests.bench.report import OUTPUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trio_websocket import WebSocketConnection

    from tests.bench.load import Load
    from tests.bench.rounds import Rounds

TREE: Final = OUTPUT / "janus/tree"
UPDATE_DEADLINE_S: Final = 300.0
START_DEADLINE_S: Final = 10.0
ANSWER_DEADLINE_S: Final = 10.0
CONNECT_DEADLINE_S: Final = 30.0
END_DEADLINE_S: Final = 3.0
LOOK_EVERY_S: Final = 0.05

ROOM: Final = 1
GENERAL: Final = """
general: {{
  plugins_folder = "{plugins}"
  transports_folder = "{transports}"
  events_folder = "{empty}"
  loggers_folder = "{empty}"
  debug_level = 2
  session_timeout = 0
}}
"""
WEBSOCKETS: Final = """
general: {{ ws = true, ws_port = {port}, ws_ip = "127.0.0.1", json = "compact" }}
admin: {{ admin_ws = false }}
"""


class JanusError(Exception):
    """Janus cannot be had here, or refused something; says what."""


def obtain() -> Path:
    """Return the root of an unpacked Janus, fetching it if need be.

    Raises:
        JanusError: This machine's packages have none, or they cannot be fetched.
    """
    if (TREE / "usr/bin/janus").exists():
        return TREE
    if not apt.available():
        raise JanusError("there is no apt to fetch Janus with")
    lists = OUTPUT / "janus/apt"
    try:
        with Step("Janus, to compare with", OUTPUT / "janus/fetch.log") as step:
            options = apt.private_lists(lists)
            step.run(["apt-get", *options, "update"], deadline_s=UPDATE_DEADLINE_S)
            unpack(step, ["janus"], TREE, options)
    except SetupError as error:
        raise JanusError(f"Janus cannot be fetched: {error}") from error
    shutil.rmtree(lists, ignore_errors=True)
    return TREE


async def through_janus(program: Path, scene: Scene, rounds: Rounds) -> Reading:
    """Forward a scene through a video room of Janus."""
    async with open_load(program, "clients", address=_address()) as load, open_janus(obtain()) as janus:
        offer = await load.offer("one", video=scene.tracks)
        feed, answer = await janus.publish(offer.sdp)
        await load.answer("one", answer)
        await _wait_connected(load)
        for number in range(scene.subscribers):
            await janus.subscribe(load, f"s{number}", feed)
        await _wait_connected(load)
        part(janus.pid, load.pid)
        await load.play(scene.shape)
        await trio.sleep(rounds.warm_up_s)

        async def forwarded() -> int:
            return sum(tally.received for tally in (await load.report()).clients.values())

        usage = await watch(janus.pid, forwarded, rounds.measure_s)
        await load.stop()
        await trio.sleep(SETTLE_S)
        report = await load.report()
        overheads = {tally.overhead for tally in report.clients.values() if tally.received}
        return Reading(
            usage=usage,
            due=report.clients["one"].sent * scene.subscribers,
            sent=await forwarded(),
            missing=0,
            segments_per_send=1.0,
            notes={"cipher_overhead_bytes": sorted(overheads)},
        )


class Janus:
    """A running Janus; made by :func:`open_janus`."""

    def __init__(self, process: trio.Process, socket: WebSocketConnection) -> None:
        self._process = process
        self._socket = socket
        self._session = 0
        self._asked = 0

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def begin(self) -> None:
        """Make a session and the room."""
        self._session = (await self._ask({"janus": "create"}, "success"))["data"]["id"]
        handle = await self._attach()
        room = {"request": "create", "room": ROOM, "publishers": 4, "videocodec": "vp8", "bitrate": 0}
        await self._message(handle, room, "success")

    async def publish(self, offer: str) -> tuple[int, str]:
        """Have somebody publish; returns the feed and the answer."""
        handle = await self._attach()
        body = {"request": "joinandconfigure", "room": ROOM, "ptype": "publisher", "audio": False, "video": True}
        told = await self._message(handle, body, "event", jsep={"type": "offer", "sdp": offer})
        return told["plugindata"]["data"]["id"], told["jsep"]["sdp"]

    async def subscribe(self, load: Load, client: str, feed: int) -> None:
        """Have a client of the load get a feed."""
        handle = await self._attach()
        body = {"request": "join", "room": ROOM, "ptype": "subscriber", "streams": [{"feed": feed}]}
        told = await self._message(handle, body, "event")
        answer = await load.accept(client, told["jsep"]["sdp"])
        await self._message(handle, {"request": "start"}, "event", jsep={"type": "answer", "sdp": answer})

    async def _attach(self) -> int:
        attached = await self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"}, "success")
        return int(attached["data"]["id"])

    async def _message(
        self, handle: int, body: dict[str, Any], kind: str, *, jsep: dict[str, str] | None = None
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"janus": "message", "handle_id": handle, "body": body}
        if jsep is not None:
            message["jsep"] = jsep
        told = await self._ask(message, kind)
        data = told["plugindata"]["data"]
        if "error" in data:
            raise JanusError(f"{body['request']}: {data['error']}")
        return told

    async def _ask(self, message: dict[str, Any], kind: str) -> dict[str, Any]:
        """Ask, and take the first answer of a kind; what comes between is about others, or an acknowledgement."""
        self._asked += 1
        transaction = f"t{self._asked}"
        session = {"session_id": self._session} if self._session else {}
        with trio.fail_after(ANSWER_DEADLINE_S):
            await self._socket.send_message(
                msgspec.json.encode({**message, **session, "transaction": transaction}).decode()
            )
            while True:
                told: dict[str, Any] = msgspec.json.decode(await self._socket.get_message())
                if told.get("transaction") != transaction:
                    continue
                if told["janus"] == "error":
                    raise JanusError(f"{message['janus']}: {told['error']}")
                if told["janus"] == kind:
                    return told


@asynccontextmanager
async def open_janus(tree: Path) -> AsyncIterator[Janus]:
    """Run a Janus with nothing but its video room and its WebSocket for the length of the block.

    Raises:
        JanusError: It does not start.
    """
    port = _free_port()
    folder = tree.parent / "run"
    _configure(tree, folder, port)
    libraries = ":".join(str(path) for path in (tree / "usr/lib").glob("*-linux-gnu"))
    with (folder / "janus.log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            [tree / "usr/bin/janus", "--configs-folder", folder],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
        )
    try:
        await _wait_listening(port, folder)
        url = f"ws://127.0.0.1:{port}/"
        async with open_websocket_url(url, subprotocols=["janus-protocol"]) as connection:
            janus = Janus(process, connection)
            await janus.begin()
            yield janus
    finally:
        process.terminate()
        with trio.CancelScope(shield=True), trio.move_on_after(END_DEADLINE_S):
            await process.wait()
        if process.returncode is None:
            process.kill()


async def _wait_connected(load: Load) -> None:
    with trio.fail_after(CONNECT_DEADLINE_S):
        while not all(tally.connected for tally in (await load.report()).clients.values()):
            await trio.sleep(LOOK_EVERY_S)


async def _wait_listening(port: int, folder: Path) -> None:
    with trio.move_on_after(START_DEADLINE_S):
        while True:
            try:
                await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            except OSError:
                await trio.sleep(LOOK_EVERY_S)
            else:
                return
    raise JanusError(f"Janus does not listen; {folder}/janus.log says why")


def _configure(tree: Path, folder: Path, port: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("plugins", "transports", "empty"):
        (folder / name).mkdir(parents=True)
    for kind, library in (("plugins", "libjanus_videoroom.so"), ("transports", "libjanus_websockets.so")):
        found = next(tree.glob(f"usr/lib/*/janus/{kind}/{library}"))
        (folder / kind / library).symlink_to(found.resolve())
    places = {name: folder / name for name in ("plugins", "transports", "empty")}
    (folder / "janus.jcfg").write_text(GENERAL.format(**places), encoding="ascii")
    (folder / "janus.transport.websockets.jcfg").write_text(WEBSOCKETS.format(port=port), encoding="ascii")
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n", encoding="ascii")


def _address() -> str:
    """This machine's first address: Janus offers none of loopback, yet what goes there leaves no machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing; asks which address a packet to the documentation network would leave from (RFC 5737).
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
