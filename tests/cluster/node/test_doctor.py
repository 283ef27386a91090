"""The doctor against real faults: each with its name, its sentence, its next step, and the exit code."""

from __future__ import annotations

import base64
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from node.demo.ports import find_free_ports
from tests.cluster.processes import arguments, descendants, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.demo.cluster import Cluster

pytestmark = pytest.mark.cluster

DEADLINE_S: Final = 60.0


async def run_doctor(*words: str, files: int | None = None) -> tuple[int, dict[str, Any]]:
    """Its exit code, and its checks by name."""
    command = [sys.executable, "-m", "node", "doctor", "--json", *words]
    if files is not None:
        command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STARLING_")}
    with trio.fail_after(DEADLINE_S):
        done = await trio.run_process(
            command, capture_stdout=True, stderr=subprocess.STDOUT, check=False, env=environment
        )
    found = json.loads(done.stdout)
    for check in found["checks"]:
        assert check["verdict"] == "ok" or check["next"], f"{check['name']} has no next step"
    return done.returncode, {check["name"]: check for check in found["checks"]}


def _write(folder: Path, **sections: dict[str, object]) -> Path:
    (http,) = find_free_ports(1)
    given = {
        **sections,
        "node": {"id": "one", "data_dir": str(folder / "data"), **sections.get("node", {})},
        "http": {"port": http, "max_connections": 100, **sections.get("http", {})},
    }
    lines = []
    for section, keys in given.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    path = folder / "node.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _certificate(folder: Path, *, ends: datetime.timedelta) -> dict[str, object]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "one")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=90)).not_valid_after(now + ends)
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form, sealing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, sealing))
    return {"tls_cert": str(folder / "cert.pem"), "tls_key": str(folder / "key.pem")}


# --- before a start -----------------------------------------------------------------------


async def test_a_sound_machine_has_warnings_at_most(tmp_path: Path) -> None:
    code, found = await run_doctor("--config", str(_write(tmp_path)))
    assert code == 0
    assert [name for name, check in found.items() if check["verdict"] != "ok"] == ["node"]
    assert found["node"]["next"] == "starling up"


async def test_all_that_keeps_a_node_from_starting_is_found_at_once(tmp_path: Path) -> None:
    """Redis is down, two ports are taken, the certificate ended a while ago."""
    http, media = find_free_ports(2)
    config = _write(
        tmp_path,
        http={"port": http, **_certificate(tmp_path, ends=-datetime.timedelta(days=2))},
        media={"port": media, "workers": 1},
        store={"kind": "redis", "url": f"unix://{tmp_path}/redis.sock"},
    )
    with (
        socket.create_server(("127.0.0.1", http)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", media))
        code, found = await run_doctor("--config", str(config))
    assert code == 1
    bad = {name: (check["message"], check["next"]) for name, check in found.items() if check["verdict"] == "fail"}
    assert bad.keys() == {"store", "port.http.tcp", f"port.media.udp:{media}", "certificate"}
    assert bad["store"][1] == "start Redis, or set store.url"
    assert f"127.0.0.1:{http} is taken" in bad["port.http.tcp"][0]
    assert "ss -lpn" in bad["port.http.tcp"][1]
    assert "ended" in bad["certificate"][0]
    assert "SIGHUP" in bad["certificate"][1]


async def test_a_certificate_about_to_end_and_few_files_are_warnings(tmp_path: Path) -> None:
    config = _write(tmp_path, http=_certificate(tmp_path, ends=datetime.timedelta(days=5, hours=1)))
    code, found = await run_doctor("--config", str(config), files=200)
    assert code == 0
    assert (found["certificate"]["verdict"], found["files"]["verdict"]) == ("warn", "warn")
    assert "ends in 5 days" in found["certificate"]["message"]
    assert "200 files allowed" in found["files"]["message"]
    assert "ulimit -n" in found["files"]["next"]


async def test_wrong_settings_are_said_and_the_machine_is_looked_at(tmp_path: Path) -> None:
    code, found = await run_doctor("--config", str(_write(tmp_path, http={"prot": 1})))
    assert code == 78
    assert found["config"]["verdict"] == "fail"
    assert "prot" in found["config"]["message"]
    assert found["engine.program"]["verdict"] == "ok"


async def test_a_gossip_key_that_the_seeds_do_not_have_is_found_before_a_start(tmp_path: Path) -> None:
    """By their answers, which only come to who has their key."""
    async with open_cluster(STAGES[:1]) as cluster:
        home = cluster.at(AMSTERDAM).data_dir.parent
        gossip = next(line for line in (home / "node.toml").read_text().splitlines() if line.startswith("seeds = "))
        mine = tmp_path / "gossip.key"
        mesh: dict[str, object] = {
            "gossip_key_file": str(mine),
            "seeds": json.loads(gossip.removeprefix("seeds = ")),
            "port": find_free_ports(1)[0],
        }
        mesh["serf"] = "serf"
        for key, verdict in ((base64.b64encode(bytes(32)), "fail"), ((home / "gossip.key").read_bytes().strip(), "ok")):
            mine.write_bytes(key)
            mine.chmod(0o600)
            cluster_keys: dict[str, object] = {"cluster_keys_file": str(home / "cluster-keys.json")}
            store: dict[str, object] = {"kind": "redis", "url": f"unix://{cluster.folder}/redis.sock"}
            config = _write(tmp_path, mesh=mesh, tokens=cluster_keys, store=store)
            _, found = await run_doctor("--config", str(config))
            assert found["seeds"]["verdict"] == verdict, found["seeds"]
            assert found["keys.gossip"]["verdict"] == "ok"


# --- beside a running node ----------------------------------------------------------------


async def test_faults_of_a_running_cluster_are_found_from_any_node() -> None:
    """A peer whose agent does not answer by UDP, and Redis gone under two nodes that serve on."""
    async with open_cluster(STAGES[:2], settings={"mesh": {"warm_links": 1}}) as cluster:
        folder = str(cluster.at(AMSTERDAM).data_dir)
        _, found = await run_doctor("--data-dir", folder)
        for name in ("serf.agent", "udp.gossip.own", f"udp.gossip:{SINGAPORE}", f"clock:{SINGAPORE}"):
            assert found[name]["verdict"] == "ok", found[name]
        # The node first: it would replace an agent that hangs.
        with _stopped(*_node_and_agent(cluster, SINGAPORE)):
            code, found = await run_doctor("--data-dir", folder)
        silent = found.get(f"udp.gossip:{SINGAPORE}")
        if silent is None:  # on a slow machine gossip gave it up before the doctor came
            gone = found[f"peer:{SINGAPORE}"]
            assert (gone["verdict"], f"starling force-leave {SINGAPORE}" in gone["next"]) == ("warn", True)
        else:
            assert (code, silent["verdict"], "does not answer by UDP" in silent["message"]) == (1, "fail", True)
            assert "both ways" in silent["next"]

        (redis,) = descendants(cluster.redis.pid)  # behind its tether
        os.kill(redis, signal.SIGKILL)
        async with httpx.AsyncClient(base_url=cluster.at(AMSTERDAM).url, trust_env=False) as http:
            with trio.fail_after(DEADLINE_S):  # nobody does anything here: it asks by itself
                while (await http.get("/readyz")).json()["status"] != "degraded":
                    await trio.sleep(0.1)
            ready = await http.get("/readyz")
        assert ready.status_code == 200
        assert [one["code"] for one in ready.json()["reasons"]] == ["store_unavailable"]
        code, found = await run_doctor("--data-dir", folder)
        assert code == 1
        assert found["ready"]["verdict"] == "ok"
        assert (found["store"]["verdict"], found["store"]["next"]) == ("fail", "start Redis, or set store.url")
        assert found["engine"]["verdict"] == "ok"


def _node_and_agent(cluster: Cluster, node: str) -> tuple[int, int]:
    (process,) = (pid for pid in descendants(cluster.at(node).process.pid) if "node" in arguments(pid))
    (agent,) = (pid for pid in descendants(process) if program(pid) == "serf")
    return process, agent


@contextmanager
def _stopped(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
