"""``starling up`` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from node.http.server import bind
from tests.unit.node.http.test_tls import name_of, open_tls, write_pair
from tests.unit.node.mmdb import mmdb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.cluster.durable.private_redis import PrivateRedis

pytestmark = pytest.mark.cluster

START_DEADLINE_S = 20
STOP_DEADLINE_S = 10


@asynccontextmanager
async def starling(folder: Path, *arguments: str) -> AsyncIterator[trio.Process]:
    """The program with its streams piped; killed when the block ends, if it still runs."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("STARLING_")}
    if "STARLING_SFU" in os.environ:
        environment["STARLING_SFU"] = os.environ["STARLING_SFU"]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "node", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "XDG_STATE_HOME": str(folder)},
    )
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                await stream.aclose()


async def read_url(process: trio.Process) -> str:
    assert process.stdout is not None
    with trio.fail_after(START_DEADLINE_S):
        line = b""
        while not line.endswith(b"\n"):
            part = await process.stdout.receive_some(4096)
            assert part, "it ended before it ran"
            line += part
    return line.decode().split()[-1]


async def ended(process: trio.Process) -> tuple[int, str]:
    """Exit code and stderr."""
    assert process.stderr is not None
    said = b""
    with trio.fail_after(START_DEADLINE_S):
        async for part in process.stderr:
            said += part
        code = await process.wait()
    return code, said.decode()


async def test_a_node_alone_serves_and_stops_in_time(tmp_path: Path) -> None:
    async with starling(tmp_path, "up", "--node-id", "solo", "--http-port", "0") as process:
        url = await read_url(process)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.get("/healthz")).status_code == 200
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})
            granted = await http.post("/v1/sessions", json={"name": "Ada"})
            assert granted.status_code == 201
            assert granted.json()["session_url"] == f"ws{url.removeprefix('http')}/v1/session"
            (node,) = (await http.get("/v1/nodes")).json()["nodes"]
            assert (node["node"], node["url"]) == ("solo", url)
            assert (await http.get("/.well-known/jwks.json")).json()["keys"][0]["alg"] == "Ed25519"
            assert "starling_engine_serving 1.0" in (await http.get("/metrics")).text
        async with starling(tmp_path, "status", "--data-dir", str(tmp_path / "starling" / "solo"), "--json") as asking:
            assert asking.stdout is not None
            status = json.loads(b"".join([part async for part in asking.stdout]))
            assert (status["node"], status["ready"], status["pid"]) == ("solo", True, process.pid)
        process.terminate()
        with trio.fail_after(STOP_DEADLINE_S):
            code, said = await ended(process)
    assert code == 0
    assert json.loads(said.splitlines()[-1])["event"] == "node_stopped"
    assert granted.json()["token"] not in said


async def test_a_second_signal_stops_it_now(tmp_path: Path) -> None:
    async with starling(tmp_path, "up", "--http-port", "0") as process:
        await read_url(process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(STOP_DEADLINE_S):
            code, said = await ended(process)
    assert code == 0
    assert "Traceback" not in said


async def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    listener = bind("127.0.0.1", 0)
    with listener.sock:
        async with starling(tmp_path, "up", "--http-port", str(listener.port)) as process:
            code, said = await ended(process)
    assert code == 1
    assert f"port {listener.port} on 127.0.0.1 is taken" in said
    assert len(said.splitlines()) == 1


async def test_two_nodes_never_share_a_folder(tmp_path: Path) -> None:
    async with starling(tmp_path, "up", "--node-id", "one", "--http-port", "0") as first:
        await read_url(first)
        async with starling(tmp_path, "up", "--node-id", "one", "--http-port", "0") as second:
            code, said = await ended(second)
    assert code == 1
    assert "another node runs in" in said


async def test_an_unknown_key_is_78(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("[http]\nprot = 1\n")
    async with starling(tmp_path, "up", "--config", str(tmp_path / "node.toml")) as process:
        code, said = await ended(process)
    assert code == 78
    assert "did you mean http.port?" in said


async def mesh_arguments(folder: Path, store_url: str = "unix:///nowhere/redis.sock") -> tuple[str, ...]:
    async with starling(folder, "keygen", str(folder / "keys")) as process:
        assert (await ended(process))[0] == 0
    listener = bind("127.0.0.1", 0)
    listener.sock.close()
    return (
        "up",
        "--http-port=0",
        f"--mesh-port={listener.port}",
        f"--mesh-gossip-key-file={folder / 'keys' / 'gossip.key'}",
        f"--tokens-cluster-keys-file={folder / 'keys' / 'cluster-keys.json'}",
        "--store-kind=redis",
        f"--store-url={store_url}",
    )


async def test_a_missing_serf_is_said_in_one_line(tmp_path: Path) -> None:
    arguments = await mesh_arguments(tmp_path)
    async with starling(tmp_path, *arguments, "--set", "mesh.serf=/nowhere/serf") as process:
        code, said = await ended(process)
    assert code == 1
    assert "serf" in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_a_gossip_key_that_is_none_is_78(tmp_path: Path) -> None:
    arguments = await mesh_arguments(tmp_path)
    (tmp_path / "keys" / "gossip.key").write_text("not a key\n")
    async with starling(tmp_path, *arguments) as process:
        code, said = await ended(process)
    assert code == 78
    assert "keygen" in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_a_mesh_without_a_shared_store_is_78(tmp_path: Path) -> None:
    arguments = await mesh_arguments(tmp_path)
    async with starling(tmp_path, *arguments, "--store-kind=memory") as process:
        code, said = await ended(process)
    assert code == 78
    assert 'store.kind = "redis"' in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_a_broken_durable_file_is_said_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "starling" / "solo"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "starling.sqlite3").write_bytes(b"not a database" * 100)
    async with starling(tmp_path, "up", "--http-port=0", "--node-id=solo") as process:
        code, said = await ended(process)
    assert code == 1
    assert "starling.sqlite3" in said.splitlines()[-1]
    assert "backup" in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_a_redis_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    async with starling(
        tmp_path, "up", "--http-port=0", "--store-kind=redis", f"--store-url=unix://{tmp_path}/none.sock"
    ) as process:
        code, said = await ended(process)
    assert code == 1
    assert "cannot be reached" in said.splitlines()[-1]
    assert "store.url" in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_a_taken_media_port_names_its_setting(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with starling(tmp_path, "up", "--http-port=0", f"--media-port={port}") as process:
            code, said = await ended(process)
    assert code == 1
    assert str(port) in said.splitlines()[-1]
    assert "media.port" in said.splitlines()[-1]


async def test_members_are_listed(tmp_path: Path, redis_server: PrivateRedis) -> None:
    arguments = await mesh_arguments(tmp_path, redis_server.url)
    async with starling(tmp_path, *arguments, "--node-id", "one") as process:
        await read_url(process)
        async with starling(tmp_path, "members", "--data-dir", str(tmp_path / "starling" / "one"), "--json") as asking:
            assert asking.stdout is not None
            members = json.loads(b"".join([part async for part in asking.stdout]))["members"]
        assert [(one["node"], one["state"], one["me"]) for one in members] == [("one", "alive", True)]
        process.terminate()
        with trio.fail_after(STOP_DEADLINE_S):
            assert (await ended(process))[0] == 0


async def test_sighup_reads_the_certificate_again(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "first")
    arguments = ("--set", f"http.tls_cert={certificate}", "--set", f"http.tls_key={key}")
    async with starling(tmp_path, "up", "--http-port", "0", *arguments) as process:
        url = await read_url(process)
        assert url.startswith("https://")
        port = int(url.rpartition(":")[2])
        names: list[str] = []
        write_pair(tmp_path, "second")
        for is_told in (False, True):
            if is_told:
                process.send_signal(signal.SIGHUP)
                assert process.stderr is not None
                with trio.fail_after(STOP_DEADLINE_S):
                    said = b""
                    while b"certificate_reloaded" not in said:
                        said += await process.stderr.receive_some(4096)
            stream = await open_tls(port)
            names.append(name_of(stream))
            await trio.aclose_forcefully(stream)
    assert names == ["CN=first", "CN=second"]


async def test_sighup_reads_the_map_of_addresses_again_and_keeps_it_if_the_new_one_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "city.mmdb"

    def write(latitude: float) -> None:
        path.write_bytes(mmdb({"127.0.0.0/8": {"location": {"latitude": latitude, "longitude": 4.9}}}))

    write(52.0)
    setting = ("--set", f"placement.geoip_database={path}")
    async with starling(tmp_path, "up", "--http-port", "0", *setting) as process:
        url = await read_url(process)
        assert process.stderr is not None

        async def hang_up(word: bytes) -> None:
            process.send_signal(signal.SIGHUP)
            said = b""
            with trio.fail_after(STOP_DEADLINE_S):
                while word not in said:
                    said += await process.stderr.receive_some(4096)  # type: ignore[union-attr]

        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:

            async def latitude() -> float:
                return float((await http.get("/v1/explain/placement")).json()["position"]["latitude"])

            assert await latitude() == 52.0
            write(35.0)
            assert await latitude() == 52.0
            await hang_up(b"geoip_reloaded")
            assert await latitude() == 35.0
            path.write_bytes(b"<html>quota exceeded</html>")
            await hang_up(b"geoip_kept")
            assert await latitude() == 35.0
