"""People who neither move nor come back, played from here: their media in a program of its own.

On an emulated network their sockets are opened in the namespace of their host, so that one process plays all of them.
"""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio
from trio_websocket import wrap_client_stream

from node.demo.home import CLUSTER
from node.lab.nodes import HTTP_PORT
from session import ClusterKeys, Tokens
from sfu.participants import open_participants
from sfu.process import find_program
from signalling.client.connection import ClientTimeouts, converse
from signalling.client.messages import MAX_CLIENT_MESSAGE_BYTES, Offer, TrackIntent
from signalling.client.refusal import RefusedByNodeError
from signalling.ids import new_device_id, new_track_id, new_user_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from lab import Wan
    from sfu.participants import Participants, VideoPlan
    from signalling.client.connection import Client
    from signalling.client.messages import MediaKind, TrackSource
    from signalling.ids import RoomId

__all__ = ["MANY", "Tokens", "drain", "open_player", "open_visitor", "read_tokens", "take_part"]

CONNECT_S: Final = 10.0

PATIENT: Final = ClientTimeouts(reply_s=20.0)
"""A store with a distance, and busy cores."""

MANY: Final = {"sessions_per_minute": 1_000_000, "sessions_burst": 1_000_000}
"""What `[http]` is to be: all people come from one address."""

SOURCES: Final[dict[MediaKind, TrackSource]] = {"audio": "microphone", "video": "camera"}


def read_tokens(home: Path) -> Tokens:
    """What signs as the cluster of this node's home does."""
    return Tokens(ClusterKeys.load(home / "cluster-keys.json"), cluster=CLUSTER)


def new_token(tokens: Tokens) -> str:
    """A session token of somebody new."""
    return tokens.issue_session(user=new_user_id(), device=new_device_id(), name="Ada")


@asynccontextmanager
async def open_visitor(wan: Wan, host: str, tokens: Tokens) -> AsyncIterator[Client]:
    """Somebody on a host with a session on its node; they leave nothing behind.

    Raises:
        OSError: The node does not listen.
        RefusedByNodeError: It does not take them.
    """

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    address = wan.address(host)
    inside = trio.socket.from_stdlib_socket(wan.in_namespace(host, make))
    try:
        with trio.fail_after(CONNECT_S):
            await inside.connect((address, HTTP_PORT))
    except BaseException:
        inside.close()
        raise
    async with trio.SocketStream(inside) as stream, trio.open_nursery() as nursery:
        with trio.fail_after(CONNECT_S):
            ws = await wrap_client_stream(
                nursery, stream, f"{address}:{HTTP_PORT}", "/v1/session", max_message_size=MAX_CLIENT_MESSAGE_BYTES
            )
        async with converse(ws, token=new_token(tokens), timeouts=PATIENT) as client:
            yield client
        nursery.cancel_scope.cancel()


def open_player(wan: Wan, host: str) -> AbstractAsyncContextManager[Participants]:
    """The program that plays people's media, on a host."""
    inside = ("nsenter", f"--net=/run/netns/{wan.namespace(host)}", "--", str(find_program()), "participants")
    return open_participants(address=wan.address(host), program=inside)


async def take_part(
    client: Client,
    room: RoomId,
    participants: Participants,
    *,
    name: str,
    stamp: int,
    video: VideoPlan,
    audio: bool = True,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Join, send picture and perhaps sound, and take everybody else's until cancelled; started once it is published.

    Raises:
        RefusedByNodeError: The node wants none of it.
    """
    await client.join(room, attempt=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_answer_offers, client, participants, name)
        opened = await participants.open(name, stamp=stamp, video=video, audio=audio)
        intents = tuple(
            TrackIntent(mid=sent.mid, kind=sent.kind, source=SOURCES[sent.kind], track=new_track_id())
            for sent in opened.tracks
        )
        published = await client.publish(sdp=opened.sdp, tracks=intents)
        await participants.published(name, published.sdp)
        task_status.started()


async def drain(client: Client) -> None:
    """Take what a client is told, and do nothing about it, until cancelled."""
    async for _event in client.events:
        continue


async def _answer_offers(client: Client, participants: Participants, name: str) -> None:
    async for event in client.events:
        if isinstance(event, Offer):
            answer = await participants.offered(name, event.sdp)
            try:
                await client.answer(sdp=answer, generation=event.generation)
            except RefusedByNodeError:
                continue  # there is a newer offer by now, which follows
