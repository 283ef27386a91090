"""Accounts of a node that really runs: SQLite, argon2id, the command line, and a log that says nothing of it."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from signalling.client.connection import open_client
from tests.cluster.node.test_up import ended, read_url, starling

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.cluster

SECRET = "three words long"
OTHER = "four words are longer"
ARGUMENTS = ("up", "--node-id=solo", "--http-port=0", "--set", "accounts.enabled=true", "--set", "log.level=debug")

PATIENCE_S = 20.0


@dataclass
class Node:
    http: httpx.AsyncClient
    said: list[str] = field(default_factory=list)

    async def post(self, path: str, *, bearer: str = "", **body: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        answer = await self.http.post(path, json=body, headers=headers)
        return answer.status_code, answer.json()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Node]:
    """A node; what it said on stderr is in `said` after the block."""
    async with starling(folder, *ARGUMENTS) as process:
        url = await read_url(process)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as http:
            node = Node(http)
            yield node
        process.send_signal(signal.SIGTERM)
        code, said = await ended(process)
        assert code == 0, said
        node.said.append(said)


async def account(folder: Path, *arguments: str, password: str = "") -> subprocess.CompletedProcess[bytes]:
    """The verb, with a password on its standard input."""
    return await trio.run_process(
        [sys.executable, "-m", "node", "account", *arguments, "--data-dir", str(folder / "starling" / "solo")],
        stdin=f"{password}\n".encode(),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )


async def test_accounts_outlive_their_node_and_end_everywhere(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        status, made = await node.post("/v1/accounts", login="Ann", password=SECRET)
        assert status == 201
        done = await account(tmp_path, "create", "ben", "--name", "Ben B", "--json", password=SECRET)
        assert done.returncode == 0, done.stderr
        taken = await account(tmp_path, "create", "ben", password=SECRET)
        assert (taken.returncode, SECRET.encode() in taken.stdout + taken.stderr) == (1, False)
    said = "".join(node.said)

    async with running(tmp_path) as node:
        listed = await account(tmp_path, "list", "--json")
        assert [line["login"] for line in json.loads(listed.stdout)["accounts"]] == ["ann", "ben"]
        assert (await node.post("/v1/accounts/login", login="ann", password=OTHER))[0] == 401
        status, granted = await node.post("/v1/accounts/login", login="ANN", password=SECRET)
        assert (status, granted["user"]) == (200, made["user"])
        status, session = await node.post("/v1/sessions", token=made["token"])
        assert (status, session["user"]) == (201, made["user"])

        async with open_client(session["session_url"], token=session["token"]) as client:
            with trio.fail_after(PATIENCE_S):
                status, answer = await node.post("/v1/accounts/logout", bearer=granted["token"])
                assert (status, answer) == (200, {"sessions_ended": 1})
                async for _ in client.events:
                    pass
            assert client.lost is not None
            assert client.lost.code == "logged_out"

        status, refused = await node.post("/v1/sessions", token=made["token"])
        assert (status, refused["error"]["code"]) == (401, "logged_out")
        done = await account(tmp_path, "password", "ann", password=OTHER)
        assert done.returncode == 0, done.stderr
        assert (await node.post("/v1/accounts/login", login="ann", password=OTHER))[0] == 200
        assert "starling_accounts_registered_total 0.0" in (await node.http.get("/metrics")).text
    said += "".join(node.said)

    for secret in (SECRET, OTHER, made["token"], granted["token"], session["token"]):
        assert secret not in said
