"""One method per command of the Serf agent that we use, typed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

from membership.rpc import records
from membership.rpc.connection import RpcConnection, RpcStream, open_connection
from membership.rpc.errors import BrokenRpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from membership.distance import NetworkCoordinate
    from membership.rpc.records import QueryAnswer, SerfMember, SerfStats, StreamRecord

__all__ = ["EventStream", "QueryStream", "SerfClient", "open_serf_client"]

IPC_VERSION = 1

STREAM_BUFFER = 4096
"""Records of a stream that wait here: 8 times the agent's own buffer for a slow reader (512), so a pause of
ours costs nothing that the agent would have kept."""

QUERY_BUFFER = 1024
"""Answers to one query that wait here: one of every node of a large cluster."""

QUERY_RELAYS = 2
"""Members that pass each answer on as well: answers are single datagrams, and a lossy path loses some."""

NANOSECONDS = 1_000_000_000


class EventStream:
    """Typed records of a `stream`."""

    def __init__(self, stream: RpcStream) -> None:
        self._stream = stream

    @property
    def dropped(self) -> int:
        """Records lost here because `receive` was called too seldom."""
        return self._stream.dropped

    async def receive(self) -> StreamRecord:
        """The next record.

        Raises:
            BrokenRpcError: the connection is gone, or the agent broke the protocol.
        """
        return records.read_record(await self._stream.receive())


class QueryStream:
    """Answers to one query."""

    def __init__(self, stream: RpcStream) -> None:
        self._stream = stream

    async def receive(self) -> QueryAnswer | None:
        """The next answer; None when the time for answers is over, which is the only end there is.

        Raises:
            BrokenRpcError: the connection is gone, or the agent broke the protocol.
        """
        while True:
            record = records.read_query_record(await self._stream.receive())
            if not isinstance(record, records.UnknownRecord):
                return record


class SerfClient:
    """Commands over one connection; every method raises what `RpcConnection.call` raises."""

    def __init__(self, connection: RpcConnection, *, deadline_s: float) -> None:
        self.connection = connection
        self._deadline_s = deadline_s

    async def greet(self, token: str) -> None:
        """Handshake, then authenticate: nothing else is answered before."""
        await self._call("handshake", {"Version": IPC_VERSION})
        await self._call("auth", {"AuthKey": token})

    async def members(self) -> tuple[SerfMember, ...]:
        """All members, the failed and left ones included."""
        return records.read_members(await self._call("members"))

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
        await self._call("force-leave", {"Node": name, "Prune": True})

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

    async def query(self, name: str, payload: bytes, *, timeout_s: float) -> QueryStream:
        """Ask every node; this connection is to be closed soon after, as it counts its queries and never forgets one.

        Args:
            name: of the query.
            payload: at most some 900 bytes.
            timeout_s: how long nodes may answer.
        """
        body = {
            "Name": name,
            "Payload": payload,
            "Timeout": round(timeout_s * NANOSECONDS),
            "RequestAck": False,
            "RelayFactor": QUERY_RELAYS,
        }
        stream = await self.connection.open_stream("query", body, buffer=QUERY_BUFFER, deadline_s=self._deadline_s)
        return QueryStream(stream)

    async def respond(self, query: int, payload: bytes) -> None:
        """Answer a query that came out of this connection's stream, at most once; no other connection may.

        Raises:
            RemoteRpcError: its time is over, or it was answered before, or told on another connection.
        """
        await self._call("respond", {"ID": query, "Payload": payload})

    async def _call(self, command: str, body: Mapping[str, object] | None = None) -> object:
        return await self.connection.call(command, body, deadline_s=self._deadline_s)


@contextlib.asynccontextmanager
async def open_serf_client(port: int, token: str, *, deadline_s: float) -> AsyncIterator[SerfClient]:
    """Connect to an agent on this machine and authenticate, for the length of the block.

    Args:
        port: its RPC port on 127.0.0.1.
        token: its RPC token.
        deadline_s: for connecting, and the default for each call.

    Raises:
        BrokenRpcError: nothing listens there.
        trio.TooSlowError: no connection in time.
        ExceptionGroup: of what `greet` raises.
    """
    with trio.fail_after(deadline_s):
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError as error:
            raise BrokenRpcError(f"no agent on port {port}: {error}") from error
    async with open_connection(stream) as connection:
        client = SerfClient(connection, deadline_s=deadline_s)
        await client.greet(token)
        yield client
