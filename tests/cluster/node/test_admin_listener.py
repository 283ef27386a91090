"""The admin listener of a real node, as strangers on its machine and pages in its browsers meet it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import httpx
import msgspec
import pytest
import trio

from node.admin import Question, StatusReport, Topic, ask_node
from node.admin.asking import read_admin_file
from node.admin.protocol import DEADLINE_S
from tests.cluster.node.test_up import STOP_DEADLINE_S, ended, read_url, starling

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

LISTENS = "0A"
"""The state of a socket in /proc/net/tcp (include/net/tcp_states.h)."""


def _listening(port: int) -> Iterator[str]:
    """At which addresses somebody listens on a port, in hex as the kernel writes them."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] == LISTENS and int(number, 16) == port:
                yield address


async def _say(port: int, data: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        with trio.fail_after(2 * DEADLINE_S):
            try:
                await stream.send_all(data)
                return await stream.receive_some(4096)
            except trio.BrokenResourceError:  # hung up with bytes of ours unread
                return b""


async def test_no_http_client_reaches_it(tmp_path: Path) -> None:
    folder = tmp_path / "starling" / "one"
    async with starling(tmp_path, "up", "--node-id", "one", "--http-port", "0") as process:
        url = await read_url(process)
        admin = read_admin_file(folder)
        assert list(_listening(admin.port)) == ["0100007F"], "127.0.0.1 and nothing else"
        assert (folder / "admin.json").stat().st_mode & 0o077 == 0

        # A page of another site, by a name that was made to point here, with and without knowing the token.
        question = msgspec.json.encode(Question(token=admin.token, topic="status"))
        for host in ("rebound.example", "localhost", "127.0.0.1"):
            headers = {"Host": f"{host}:{admin.port}", "Origin": "https://evil.example", "Content-Type": "text/plain"}
            async with httpx.AsyncClient(trust_env=False) as page:
                with pytest.raises(httpx.TransportError):
                    await page.post(f"http://127.0.0.1:{admin.port}/", content=question + b"\n", headers=headers)
        for garbage in (b'{"token": "wrong", "topic": "status"}\n', b"\x16\x03\x01\x02\x00", b"x" * 100_000, b"\n"):
            assert await _say(admin.port, garbage) == b""

        # The public port knows none of its words.
        # A connection each: a node that refuses a body unread ends its connection, perhaps under the next request.
        once = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, trust_env=False, limits=once) as http:
            for topic in get_args(Topic):
                for path in (f"/{topic}", f"/admin/{topic}", f"/v1/admin/{topic}"):
                    headers = {"Authorization": f"Bearer {admin.token}"}
                    assert (await http.get(path, headers=headers)).status_code == 404, path
                    assert (await http.post(path, headers=headers, content=question)).status_code in (404, 405), path
            for path in ("/admin", "/admin.json", "/v1/admin", "/../admin.json"):
                assert (await http.get(path)).status_code == 404
        assert (await ask_node(folder, "status", StatusReport)).node == "one"
        process.terminate()
        with trio.fail_after(STOP_DEADLINE_S):
            code, said = await ended(process)
    assert code == 0
    refusals = [msgspec.json.decode(line) for line in said.splitlines() if "admin_refused" in line]
    assert {"no_question", "wrong_token"} <= {line["reason"] for line in refusals}
    assert admin.token not in said
    assert "Traceback" not in said


async def test_slow_and_silent_clients_harm_themselves_alone(tmp_path: Path) -> None:
    folder = tmp_path / "starling" / "one"
    async with starling(tmp_path, "up", "--node-id", "one", "--http-port", "0") as process:
        await read_url(process)
        admin = read_admin_file(folder)
        line = msgspec.json.encode(Question(token=admin.token, topic="status")) + b"\n"
        async with trio.open_nursery() as nursery:
            for _ in range(150):
                nursery.start_soon(_drip, admin.port, line)
            await trio.sleep(0.5)
            for _ in range(5):
                with trio.fail_after(DEADLINE_S):
                    assert (await ask_node(folder, "status", StatusReport)).node == "one"
            nursery.cancel_scope.cancel()


async def _drip(port: int, line: bytes) -> None:
    """Ask a question so slowly that it never ends."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        try:
            for byte in line[:-1]:
                await stream.send_all(bytes([byte]))
                await trio.sleep(1.0)
        except trio.BrokenResourceError:
            await trio.sleep_forever()
