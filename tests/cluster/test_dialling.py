"""Opening a WebSocket where none comes about: the caller hears why, within its deadline."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from signalling.client.dialling import open_websocket
from signalling.client.refusal import NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.cluster

CONNECT_S = 0.3


async def hear_and_say_nothing(stream: trio.SocketStream) -> None:
    await stream.receive_some(4096)
    await trio.sleep(CONNECT_S * 3)


async def hang_up(stream: trio.SocketStream) -> None:
    await stream.receive_some(4096)
    await stream.aclose()


async def say_half(stream: trio.SocketStream) -> None:
    await stream.receive_some(4096)
    await stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
    await stream.aclose()


@pytest.mark.parametrize("serve", [hear_and_say_nothing, hang_up, say_half])
async def test_no_websocket_comes_about(serve: Callable[[trio.SocketStream], Awaitable[None]]) -> None:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        url = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1/session"
        with pytest.raises(ExceptionGroup) as caught:
            async with open_websocket(url, ssl_context=None, origin=None, connect_s=CONNECT_S, close_s=1):
                pytest.fail("there is no WebSocket")
        (error,) = caught.value.exceptions
        assert isinstance(error, NodeUnreachableError)
        nursery.cancel_scope.cancel()
