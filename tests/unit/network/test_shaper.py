"""Datagrams through the narrow network, on real sockets of loopback."""

from __future__ import annotations

import socket

import trio

from tests.network.pipe import Limits
from tests.network.shaper import open_shaper

FRONT, NODE = "127.0.0.2", "127.0.0.1"


async def bind(address: str) -> trio.socket.SocketType:
    bound = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await bound.bind((address, 0))
    return bound


async def echo(node: trio.socket.SocketType) -> None:
    while True:
        packet, sender = await node.recvfrom(2048)
        await node.sendto(packet, sender)


async def ask(client: trio.socket.SocketType, port: int, words: bytes) -> bytes:
    await client.sendto(words, (FRONT, port))
    with trio.fail_after(5):
        packet, _ = await client.recvfrom(2048)
    return packet


async def test_each_client_gets_its_own_answers() -> None:
    """Two clients ask at once: each one's datagrams come back to it, from the address it asked."""
    with await bind(NODE) as node, await bind(NODE) as one, await bind(NODE) as two:
        port: int = node.getsockname()[1]
        async with trio.open_nursery() as nursery, open_shaper(listen=(FRONT, port), node=(NODE, port)):
            nursery.start_soon(echo, node)
            assert await ask(one, port, b"from one") == b"from one"
            assert await ask(two, port, b"from two") == b"from two"
            nursery.cancel_scope.cancel()


async def test_limits_hold_for_flows_that_are_there() -> None:
    """Of a flow that is under way every second datagram is lost, from the moment it is said."""
    with await bind(NODE) as node, await bind(NODE) as client:
        port: int = node.getsockname()[1]
        async with trio.open_nursery() as nursery, open_shaper(listen=(FRONT, port), node=(NODE, port)) as shaper:
            nursery.start_soon(echo, node)
            assert await ask(client, port, b"first") == b"first"
            shaper.limit(down=Limits(drop_every=2))
            await client.sendto(b"second", (FRONT, port))
            assert await ask(client, port, b"third") == b"third"
            assert shaper.dropped == 1
            nursery.cancel_scope.cancel()
