"""The native load (`sfu/engine/benches/load/`) as benchmarks see it: clients, the bare loop, hops and what times them.

It is no part of what is installed: the first benchmark builds it with cargo. One JSON object a line goes in, one comes
back for each.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ENGINE: Final = Path(__file__).resolve().parents[2] / "sfu/engine"

BUILD_DEADLINE_S: Final = 3600.0
ANSWER_DEADLINE_S: Final = 20.0
END_DEADLINE_S: Final = 5.0
MAX_CHUNK_BYTES: Final = 1 << 20

Shape = dict[str, Any]
"""How packets leave, as `words.rs` reads it; made by :func:`smooth` and :func:`frames`."""

T = TypeVar("T")


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What a client has counted since it was made; see `words.rs`."""

    connected: bool
    sent: int
    received: int
    overhead: int
    keyframes_wanted: int
    missing: int
    first_packet_at_s: float | None
    arrivals: list[tuple[int, int, bool]]


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """All counters of the load."""

    clients: dict[str, Tally]
    plain_sent: int
    plain_received: list[int]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """An SDP, and the kind of each line that is sent on."""

    sdp: str
    mids: dict[str, str]


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Sockets as `host:port`."""

    addresses: list[str]


class Handshakes(msgspec.Struct, frozen=True, kw_only=True):
    """What bare DTLS handshakes took a server: seconds on a core for all of them."""

    count: int
    server_cpu_s: float


class Delays(msgspec.Struct, frozen=True, kw_only=True):
    """What packets took to arrive, microseconds, in order of arrival."""

    delays_us: list[float]


class _Done(msgspec.Struct, frozen=True):
    done: bool


class LoadError(Exception):
    """The load could not be built, or refused a command; says why."""


def smooth(packets_per_s: float, *, burst: int = 2, size: int = 1200, at_once: int = 1) -> Shape:
    """So many packets of a size in payload bytes, `burst` at a time on `at_once` tracks, evenly and all in turn."""
    return {"smooth": {"packets_per_s": packets_per_s, "burst": burst, "bytes": size, "at_once": at_once}}


def frames(packets: list[tuple[int, int, bool]]) -> Shape:
    """A recording, repeated by every track: microseconds since the packet before, payload bytes, end of picture."""
    return {"frames": {"packets": packets}}


def build() -> Path:
    """Build the load, unless it is built already or ``STARLING_LOAD`` names it, and return the program.

    Raises:
        LoadError: cargo failed; its words are on the terminal.
    """
    if named := os.environ.get("STARLING_LOAD"):
        return Path(named)
    print("building the load (some minutes the first time)", flush=True)
    built = subprocess.run(
        ["cargo", "build", "--release", "--locked", "--bench", "load", "--message-format", "json-render-diagnostics"],
        cwd=ENGINE,
        stdout=subprocess.PIPE,
        timeout=BUILD_DEADLINE_S,
        check=False,
    )
    for line in reversed(built.stdout.splitlines()):
        message = msgspec.json.decode(line)
        if message.get("executable") and message["target"]["name"] == "load":
            return Path(message["executable"])
    raise LoadError("cargo did not build the load")


class Load:
    """A running load; made by :func:`open_load`."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._rest = bytearray()
        # Answers come in the order of the questions; one is outstanding at a time.
        self._turn = trio.Lock()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def offer(
        self, client: str, *, video: int = 0, audio: int = 0, rtt_ms: float = 0, loss: float = 0
    ) -> Described:
        """Make a client that sends so many tracks, on a path with a round trip and a share lost each way."""
        command = {"do": "offer", "client": client, "video": video, "audio": audio, "rtt_ms": rtt_ms, "loss": loss}
        return await self._ask(command, Described)

    async def answer(self, client: str, sdp: str) -> None:
        """Hand over the answer to that offer."""
        await self._ask({"do": "answer", "client": client, "sdp": sdp}, _Done)

    async def accept(self, client: str, sdp: str, *, rtt_ms: float = 0, loss: float = 0) -> str:
        """Have a client, made if need be, answer an offer."""
        command = {"do": "accept", "client": client, "sdp": sdp, "rtt_ms": rtt_ms, "loss": loss}
        return (await self._ask(command, Described)).sdp

    async def play(self, video: Shape | None, *, audio: bool = False) -> None:
        """Let every sending client send."""
        await self._ask({"do": "play", "video": video, "audio": audio}, _Done)

    async def stop(self) -> None:
        """Let nobody send any more."""
        await self._ask({"do": "stop"}, _Done)

    async def record(self, client: str) -> None:
        """Keep when packets of a client arrive from now on."""
        await self._ask({"do": "record", "client": client}, _Done)

    async def report(self) -> LoadReport:
        """Read all counters."""
        return await self._ask({"do": "report"}, LoadReport)

    async def sinks(self, count: int) -> list[str]:
        """Open plain sockets that count what comes."""
        return (await self._ask({"do": "sinks", "count": count}, Addresses)).addresses

    async def plain(self, to: str, shape: Shape, tracks: int) -> None:
        """Send sealed packets from a plain socket."""
        await self._ask({"do": "plain", "to": to, "shape": shape, "tracks": tracks}, _Done)

    async def forward(self, to: list[str]) -> str:
        """Have the bare loop forward to these, or a hop to this one; returns its address."""
        return (await self._ask({"do": "forward", "to": to}, Addresses)).addresses[0]

    async def meter(self) -> str:
        """The address where packets are to arrive that are timed."""
        return (await self._ask({"do": "meter"}, Addresses)).addresses[0]

    async def time(self, to: str, shape: Shape, seconds: float, *, cores: tuple[int, int] | None = None) -> list[float]:
        """Send packets of one track there for so long; returns what each took to arrive, microseconds.

        Args:
            to: `host:port`.
            shape: How they leave.
            seconds: How long.
            cores: They are sent on the first and taken on the second; anywhere without.
        """
        command = {"do": "time", "to": to, "shape": shape, "seconds": seconds, "cores": cores}
        return (await self._ask(command, Delays, within_s=ANSWER_DEADLINE_S + seconds)).delays_us

    async def handshakes(self, count: int) -> Handshakes:
        """Complete so many DTLS handshakes in memory."""
        return await self._ask({"do": "handshakes", "count": count}, Handshakes)

    async def _ask(self, command: Mapping[str, object], reply: type[T], *, within_s: float = ANSWER_DEADLINE_S) -> T:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # asked for when it was started
        assert stdout is not None
        async with self._turn:
            with trio.fail_after(within_s):
                await stdin.send_all(msgspec.json.encode(command) + b"\n")
                line = await self._line(stdout)
        answer = msgspec.json.decode(line)
        if error := answer.get("error"):
            raise LoadError(f"{command['do']}: {error}")
        return msgspec.convert(answer, reply)

    async def _line(self, stdout: trio.abc.ReceiveStream) -> bytes:
        while (end := self._rest.find(b"\n")) < 0:
            chunk = await stdout.receive_some(MAX_CHUNK_BYTES)
            if not chunk:
                raise LoadError("the load ended")
            self._rest += chunk
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line


@asynccontextmanager
async def open_load(
    program: Path, mode: str, *, beat_us: int = 1000, address: str = "127.0.0.1"
) -> AsyncIterator[Load]:
    """Run the load for the length of the block.

    Args:
        program: See :func:`build`.
        mode: `clients`, `bare`, `hop` or `meter`.
        beat_us: How often clients read their sockets, microseconds.
        address: Where clients bind.
    """
    process = await trio.lowlevel.open_process(
        [program, mode, str(beat_us), address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        yield Load(process)
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(END_DEADLINE_S):
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(trio.BrokenResourceError):
                        await stream.aclose()
            await process.wait()
        if process.returncode is None:
            process.kill()
