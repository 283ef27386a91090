"""One method per command of the Serf agent, typed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

from membership.rpc import records
from membership.rpc.connection import RpcConnection, RpcStream, open_connection
from membership.rpc.errors import BrokenRpcError, RemoteRpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from membership.distance.estimate import NetworkCoordinate
    from membership.rpc.records import (
        KeyringAnswer,
        QueryAcknowledged,
        QueryAnswer,
        SerfMember,
        SerfStats,
        StreamRecord,
    )

__all__ = ["EventStream", "LogStream", "QueryStream", "SerfClient", "open_serf_client", "tells_of_a_drop"]

IPC_VERSION = 1

STREAM_BUFFER = 4096
"""Records of a stream that wait here: 8 times the agent's own buffer for a slow reader (512), so a pause of
ours costs nothing that the agent would have kept."""

QUERY_BUFFER = 1024
"""Answers to one query that wait here: one of every node of a large cluster."""

QUERY_RELAYS = 2
"""Members that pass each answer on as well: answers are single datagrams, and a lossy path loses some."""

LOG_BUFFER = 1024
"""Log lines that wait here: the agent keeps 512 old ones, which come all at once."""

KEYS_DEADLINE_S = 15.0
"""For a command about keys: the agent gives the others 3.2 s in up to 9 nodes, 9.6 s in a thousand (16 gossip
intervals of 200 ms, times the digits of the number of nodes)."""

NANOSECONDS = 1_000_000_000


def tells_of_a_drop(line: str, address: str) -> bool:
    """Whether a line of the agent's log (WARN) says that it dropped a record for the client at this address."""
    return line.rstrip().endswith(f"Dropping event to ipc.client: {address}")


class EventStream:
    """Typed records of a `stream`."""

    def __init__(self, stream: RpcStream) -> None:
        self.raw = stream
        self._told_lost = 0

    @property
    def dropped(self) -> int:
        """Records lost here because `receive` was called too seldom."""
        return self.raw.dropped

    async def receive(self) -> StreamRecord:
        """The next record, or a `Gap` as soon as records were lost here.

        What the agent itself dropped, because this process did not read for long, is not told here but in its log,
        see :func:`tells_of_a_drop`.

        Raises:
            BrokenRpcError: the connection is gone, or the agent broke the protocol.
        """
        lost = self.raw.dropped - self._told_lost
        if lost:
            await trio.lowlevel.checkpoint()
            self._told_lost += lost
            return records.Gap(lost=lost)
        return records.read_record(await self.raw.receive())


class LogStream:
    """Lines of the agent's log."""

    def __init__(self, stream: RpcStream) -> None:
        self.raw = stream

    @property
    def dropped(self) -> int:
        """Lines lost here because `receive` was called too seldom."""
        return self.raw.dropped

    async def receive(self) -> str:
        """The next line.

        Raises:
            BrokenRpcError: the connection is gone, or the agent broke the protocol.
        """
        return records.read_log_line(await self.raw.receive())


class QueryStream:
    """Answers to one query, and acknowledgements if they were asked for."""

    def __init__(self, stream: RpcStream) -> None:
        self.raw = stream

    async def receive(self) -> QueryAnswer | QueryAcknowledged | None:
        """The next one; None when the time for answers is over, which is the only end there is.

        Raises:
            BrokenRpcError: the connection is gone, or the agent broke the protocol.
        """
        while True:
            record = records.read_query_record(await self.raw.receive())
            if not isinstance(record, records.UnknownRecord):
                return record


class SerfClient:
    """Commands over one connection; every method raises what `RpcConnection.call` raises."""

    def __init__(self, connection: RpcConnection, *, deadline_s: float, address: str = "") -> None:
        self.connection = connection
        self.address = address
        """Of this end, as the agent's log names the client."""
        self._deadline_s = deadline_s

    async def greet(self, token: str) -> None:
        """Handshake, then authenticate: nothing else is answered before."""
        await self._call("handshake", {"Version": IPC_VERSION})
        await self._call("auth", {"AuthKey": token})

    async def members(self) -> tuple[SerfMember, ...]:
        """All members, the failed and left ones included."""
        return records.read_members(await self._call("members"))

    async def members_filtered(
        self, *, name: str = "", status: str = "", tags: Mapping[str, str] | None = None
    ) -> tuple[SerfMember, ...]:
        """Members that match: each filter is a regular expression for the whole text, an empty one is none.

        Raises:
            BrokenRpcError: an expression is malformed, at which the agent hangs up.
        """
        body = {"Name": name, "Status": status, "Tags": dict(tags or {})}
        return records.read_members(await self._call("members-filtered", body))

    async def join(self, addresses: Sequence[str], *, deadline_s: float) -> int:
        """Join by any of these `host:port`; returns how many were reached.

        Raises:
            RemoteRpcError: none was reached; the reason names each.
        """
        body = {"Existing": list(addresses), "Replay": False}
        return records.read_joined(await self.connection.call("join", body, deadline_s=deadline_s))

    async def send_event(self, name: str, payload: bytes) -> None:
        """Queue a user event; success says nothing about its delivery."""
        # Coalesce would merge all events of a name into the newest one.
        await self._call("event", {"Name": name, "Payload": payload, "Coalesce": False})

    async def set_tags(self, tags: Mapping[str, str], *, delete: Sequence[str] = ()) -> None:
        """Set these tags of the own agent and delete those; others stay."""
        await self._call("tags", {"Tags": dict(tags), "DeleteTags": list(delete)})

    async def prune(self, name: str) -> None:
        """Forget a member.  Only for one that has failed or left: a living one would become invisible."""
        await self.force_leave(name, prune=True)

    async def force_leave(self, name: str, *, prune: bool = False) -> None:
        """Turn a member that has failed into one that has left; a living one contradicts and stays.

        Args:
            name: its Serf name; one that nobody knows changes nothing.
            prune: forget it, too. See `prune`.
        """
        await self._call("force-leave", {"Node": name, "Prune": prune})

    async def leave(self, *, deadline_s: float) -> None:
        """Leave the cluster in good order; the agent then exits.  It may be gone before its answer is read."""
        with contextlib.suppress(BrokenRpcError):
            await self.connection.call("leave", deadline_s=deadline_s)

    async def install_key(self, key: str) -> KeyringAnswer:
        """Put a gossip key (base64) into every keyring; answers of who could not are in the result."""
        return await self._keys("install-key", {"Key": key})

    async def use_key(self, key: str) -> KeyringAnswer:
        """Let every agent encrypt with this key, which must be in its keyring."""
        return await self._keys("use-key", {"Key": key})

    async def remove_key(self, key: str) -> KeyringAnswer:
        """Take a key out of every keyring; the one that is in use stays."""
        return await self._keys("remove-key", {"Key": key})

    async def list_keys(self) -> KeyringAnswer:
        """Which keys are in how many keyrings."""
        return await self._keys("list-keys")

    async def stats(self) -> SerfStats:
        """The agent's gauges."""
        return records.read_stats(await self._call("stats"))

    async def coordinate(self, name: str) -> NetworkCoordinate | None:
        """The network coordinate of a member; None if it was never probed."""
        return records.read_coordinate(await self._call("get-coordinate", {"Node": name}))

    async def stream(self, types: str = "*") -> EventStream:
        """Member and user events from now on."""
        body = {"Type": types}
        stream = await self.connection.open_stream("stream", body, buffer=STREAM_BUFFER, deadline_s=self._deadline_s)
        return EventStream(stream)

    async def monitor(self, level: str = "INFO") -> LogStream:
        """The agent's log: some old lines, then new ones as they are written.

        Args:
            level: `TRACE`, `DEBUG`, `INFO`, `WARN` or `ERR`; below the agent's own level there is nothing.

        Raises:
            RemoteRpcError: there is no such level.
        """
        body = {"LogLevel": level}
        stream = await self.connection.open_stream("monitor", body, buffer=LOG_BUFFER, deadline_s=self._deadline_s)
        return LogStream(stream)

    async def stop(self, stream: EventStream | LogStream) -> None:
        """Ask for no more records of a stream; a query has no other end than its own."""
        await self.connection.stop_stream(stream.raw, deadline_s=self._deadline_s)

    async def query(
        self,
        name: str,
        payload: bytes,
        *,
        timeout_s: float,
        nodes: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        acknowledged: bool = False,
        relays: int = QUERY_RELAYS,
    ) -> QueryStream:
        """Ask nodes; this connection is to be closed soon after, as it counts its queries and never forgets one.

        Filters are looked at by whom it reaches, which is everybody: a query to one node costs the cluster as much.

        Args:
            name: of the query.
            payload: at most some 900 bytes, filters included.
            timeout_s: how long nodes may answer.
            nodes: Serf names of who is asked; none means all.
            tags: who is asked, by a regular expression for each of these tags.
            acknowledged: whether each node says at once that it has the query, also one that will not answer.
            relays: members that pass each answer on as well, 0 to 255.
        """
        body = {
            "Name": name,
            "Payload": payload,
            "Timeout": round(timeout_s * NANOSECONDS),
            "FilterNodes": list(nodes),
            "FilterTags": dict(tags or {}),
            "RequestAck": acknowledged,
            "RelayFactor": relays,
        }
        stream = await self.connection.open_stream("query", body, buffer=QUERY_BUFFER, deadline_s=self._deadline_s)
        return QueryStream(stream)

    async def respond(self, query: int, payload: bytes) -> None:
        """Answer a query that came out of this connection's stream, at most once; no other connection may.

        Raises:
            RemoteRpcError: its time is over, or it was answered before, or told on another connection.
        """
        await self._call("respond", {"ID": query, "Payload": payload})

    async def _keys(self, command: str, body: Mapping[str, object] | None = None) -> KeyringAnswer:
        try:
            answer = await self.connection.call(command, body, deadline_s=KEYS_DEADLINE_S)
        except RemoteRpcError as error:
            # A node that could not, or did not answer, is no failure of the call: the body says how many.
            if not isinstance(error.body, dict) or not error.body.get(b"NumNodes"):
                raise
            answer = error.body
        return records.read_keyring_answer(answer)

    async def _call(self, command: str, body: Mapping[str, object] | None = None) -> object:
        return await self.connection.call(command, body, deadline_s=self._deadline_s)


@contextlib.asynccontextmanager
async def open_serf_client(
    port: int, token: str, *, host: str = "127.0.0.1", deadline_s: float
) -> AsyncIterator[SerfClient]:
    """Connect to an agent on this machine and authenticate, for the length of the block.

    Args:
        port: its RPC port.
        token: its RPC token.
        host: its loopback address.
        deadline_s: for connecting, and the default for each call.

    Raises:
        BrokenRpcError: nothing listens there.
        trio.TooSlowError: no connection in time.
        ExceptionGroup: of what `greet` raises.
    """
    with trio.fail_after(deadline_s):
        try:
            stream = await trio.open_tcp_stream(host, port)
        except OSError as error:
            raise BrokenRpcError(f"no agent on port {port}: {error}") from error
    async with open_connection(stream) as connection:
        here, number = stream.socket.getsockname()[:2]
        address = f"[{here}]:{number}" if ":" in here else f"{here}:{number}"
        client = SerfClient(connection, deadline_s=deadline_s, address=address)
        await client.greet(token)
        yield client
