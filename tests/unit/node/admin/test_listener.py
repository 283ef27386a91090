from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
import structlog
import trio

from node.account_orders import AccountAnswer, AccountOrder
from node.admin import ADMIN_FILE, Links, Question, StatusReport, ask_node, open_admin
from node.admin.asking import read_admin_file
from node.admin.listener import LOGGED_BURST, MAX_READ
from node.admin.protocol import DEADLINE_S
from node.errors import EXIT_NOT_RUNNING, NodeStartError

if TYPE_CHECKING:
    from pathlib import Path

    from node.admin import AdminDesk

STATUS = StatusReport(node="a", cluster="c", region="r", url="http://x", pid=1, mesh=False, ready=True, problems=())


class Desk:
    async def answer(self, question: Question) -> StatusReport | Links | AccountAnswer:
        if question.topic == "members":
            raise RuntimeError("a defect")
        if question.topic == "accounts":
            return AccountAnswer(message=question.order.password)
        return STATUS if question.topic == "status" else Links(links=())


DESK = cast("AdminDesk", Desk())


async def raw(port: int, data: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        await stream.send_eof()
        return await stream.receive_some(4096)


async def test_who_can_read_the_folder_may_ask(tmp_path: Path) -> None:
    async with open_admin(tmp_path, DESK):
        assert (tmp_path / ADMIN_FILE).stat().st_mode & 0o777 == 0o600
        assert await ask_node(tmp_path, "status", StatusReport) == STATUS
        assert await ask_node(tmp_path, "links", Links) == Links(links=())
    assert not (tmp_path / ADMIN_FILE).exists()


async def test_an_order_goes_with_the_topic_and_is_not_shown(tmp_path: Path) -> None:
    order = AccountOrder(action="create", login="ann", password="\U0001f511" * 256, name="\u00e9" * 64)
    assert order.password not in repr(order)
    async with open_admin(tmp_path, DESK):
        assert (await ask_node(tmp_path, "accounts", AccountAnswer, order)).message == order.password


async def test_nobody_else_gets_a_word(tmp_path: Path) -> None:
    async with open_admin(tmp_path, DESK):
        admin = read_admin_file(tmp_path)
        for data in (
            b'{"token": "guess", "topic": "status"}\n',
            '{"token": "gu\u00e9ss", "topic": "status"}\n'.encode(),
            f'{{"token": "{admin.token}", "topic": "secrets"}}\n'.encode(),
            b"garbage\n",
            b"[" * 4000 + b"\n",
            b"\xff\xfe\n",
            b"x" * 5000,
            b"",
        ):
            assert await raw(admin.port, data) == b""
        assert await ask_node(tmp_path, "status", StatusReport) == STATUS


async def test_a_wrong_token_is_logged_without_it_and_not_each_time(tmp_path: Path) -> None:
    async with open_admin(tmp_path, DESK):
        admin = read_admin_file(tmp_path)
        with structlog.testing.capture_logs() as said:
            assert await raw(admin.port, b'{"token": "guess", "topic": "status"}\n') == b""
            assert await raw(admin.port, b"garbage\n") == b""
            for _ in range(20):
                await raw(admin.port, b'{"token": "guess", "topic": "status"}\n')
    lines = [line for line in said if line["event"] == "admin_refused"]
    assert [line["reason"] for line in lines[:2]] == ["wrong_token", "no_question"]
    assert [line["so_far"] for line in lines] == list(range(1, LOGGED_BURST + 1))
    assert "guess" not in repr(said)


@pytest.mark.parametrize(
    "head",
    [
        # A form of a page on another site, by the name that it made point here.
        "POST / HTTP/1.1\r\nHost: rebound.example:{port}\r\nOrigin: https://rebound.example\r\n"
        "Content-Type: text/plain\r\nContent-Length: 999\r\n\r\n",
        # One that knows that there is a line to be had.
        "POST /%0A HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/plain\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        "\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_a_browser_gets_nothing_even_with_the_token(tmp_path: Path, head: str) -> None:
    """The first line decides, and no page chooses how it begins: what follows is never read."""
    async with open_admin(tmp_path, DESK):
        admin = read_admin_file(tmp_path)
        question = msgspec.json.encode(Question(token=admin.token, topic="status"))
        assert await raw(admin.port, head.format(port=admin.port).encode() + question + b"\n") == b""


async def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    async with open_admin(tmp_path, DESK):
        port = read_admin_file(tmp_path).port
        # All of 127/8 is loopback; one that bound any address would answer here, too.
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.2", port)


async def test_those_who_connect_and_say_nothing_keep_nobody_out(tmp_path: Path) -> None:
    async with open_admin(tmp_path, DESK), AsyncExitStack() as silent:
        port = read_admin_file(tmp_path).port
        streams = [
            await silent.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port)) for _ in range(3 * MAX_READ)
        ]
        await streams[-1].send_all(b'{"token": ')
        with trio.fail_after(DEADLINE_S / 2):
            assert await ask_node(tmp_path, "status", StatusReport) == STATUS
            assert await streams[0].receive_some(1) == b"", "the one that was silent for longest went"


async def test_a_client_that_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    class Loud(Desk):
        async def answer(self, question: Question) -> StatusReport | Links | AccountAnswer:
            if question.topic == "audit":
                return AccountAnswer(message="x" * 8_000_000)
            return await super().answer(question)

    async with open_admin(tmp_path, cast("AdminDesk", Loud())), AsyncExitStack() as deaf:
        admin = read_admin_file(tmp_path)
        for _ in range(3):
            stream = await deaf.enter_async_context(await trio.open_tcp_stream("127.0.0.1", admin.port))
            await stream.send_all(msgspec.json.encode(Question(token=admin.token, topic="audit")) + b"\n")
        with trio.fail_after(DEADLINE_S / 2):
            assert await ask_node(tmp_path, "status", StatusReport) == STATUS


async def test_a_question_that_fails_ends_itself_alone(tmp_path: Path) -> None:
    async with open_admin(tmp_path, DESK):
        with pytest.raises(NodeStartError, match="does not answer"):
            await ask_node(tmp_path, "members", Links)
        assert await ask_node(tmp_path, "status", StatusReport) == STATUS


async def test_where_no_node_runs_the_next_step_is_said(tmp_path: Path) -> None:
    with pytest.raises(NodeStartError, match="starling up") as caught:
        await ask_node(tmp_path, "status", StatusReport)
    assert caught.value.exit_code == EXIT_NOT_RUNNING
    # A node that was killed leaves its file behind.
    async with open_admin(tmp_path, DESK):
        left = (tmp_path / ADMIN_FILE).read_bytes()
    (tmp_path / ADMIN_FILE).touch(mode=0o600)
    (tmp_path / ADMIN_FILE).write_bytes(left)
    with pytest.raises(NodeStartError, match="no node runs in"):
        await ask_node(tmp_path, "status", StatusReport)
