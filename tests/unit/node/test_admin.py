from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
import pytest
import trio

from node.account_orders import AccountAnswer, AccountOrder
from node.admin import ADMIN_FILE, AdminFile, Links, Question, StatusReport, ask_node, open_admin
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
        admin = msgspec.json.decode((tmp_path / ADMIN_FILE).read_bytes(), type=AdminFile)
        for data in (
            b'{"token": "guess", "topic": "status"}\n',
            '{"token": "gu\u00e9ss", "topic": "status"}\n'.encode(),
            f'{{"token": "{admin.token}", "topic": "secrets"}}\n'.encode(),
            b"garbage\n",
            b"\xff\xfe\n",
            b"x" * 5000,
            b"",
        ):
            assert await raw(admin.port, data) == b""
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
