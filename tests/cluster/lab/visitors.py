"""Visitors of nodes on an emulated network: their sockets are opened in the namespace of a host, from this process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio
from trio_websocket import wrap_client_stream

from node.demo.home import CLUSTER
from node.lab.nodes import HTTP_PORT
from session import ClusterKeys, Tokens
from signalling.client.connection import ClientTimeouts, converse
from signalling.client.messages import MAX_CLIENT_MESSAGE_BYTES
from signalling.ids import new_device_id, new_user_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lab import Wan
    from signalling.client.connection import Client

__all__ = ["PATIENT", "new_token", "open_visitor", "read_tokens"]

CONNECT_S: Final = 10.0

PATIENT: Final = ClientTimeouts(reply_s=20.0)
"""A store with a distance, and busy cores."""


def read_tokens(home: Path) -> Tokens:
    """What signs as the cluster of this node's home does."""
    return Tokens(ClusterKeys.load(home / "cluster-keys.json"), cluster=CLUSTER)


def new_token(tokens: Tokens) -> str:
    """A session token of somebody new."""
    return tokens.issue_session(user=new_user_id(), device=new_device_id(), name="Ada")


@asynccontextmanager
async def open_visitor(wan: Wan, host: str, tokens: Tokens, *, node: str | None = None) -> AsyncIterator[Client]:
    """Somebody on a host with a session on its node, or on another host's; they leave nothing behind.

    Raises:
        OSError: The node does not listen.
        RefusedByNodeError: It does not take them.
    """
    address = wan.address(node or host)
    inside = wan.tcp_socket(host)
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
