"""All checks together: without a node, with one, with one that does not answer, with a node whose key is no key."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from node.admin import Links, MemberReport, Members, StatusReport
from node.admin.facts import Facts
from node.admin.reports import Problem
from node.doctor import examination, examine
from node.doctor.examination import examine_machine
from node.errors import EXIT_NOT_RUNNING, NodeStartError
from tests.unit.node.doctor.configs import a_config

if TYPE_CHECKING:
    from pathlib import Path

    from node.config import Config

ME = MemberReport(node="ada", state="alive", address="127.0.0.1:1", me=True)
READY = StatusReport(
    node="ada", cluster="c", region="r", url="http://127.0.0.1:1", pid=1, mesh=True, ready=True, problems=()
)
BOB = MemberReport(node="bob", state="alive", address="127.0.0.1:1", url="http://127.0.0.1:1")


def _facts(config: Config, **changed: Any) -> Facts:
    facts = Facts(
        config=config,
        url="http://127.0.0.1:1",
        media_addresses=("127.0.0.1:40000",),
        engine_serves=True,
        agent_up=True,
        agent_restarts=0,
        files_open=30,
        files_allowed=100_000,
    )
    return msgspec.structs.replace(facts, **changed)


class Node:
    """What the admin listener would say; ``fails`` is raised for the topics that it names."""

    def __init__(self, facts: Facts, *, fails: dict[str, NodeStartError] | None = None) -> None:
        self.said: dict[str, Any] = {
            "facts": facts,
            "status": READY,
            "members": Members(members=(ME, BOB, msgspec.structs.replace(BOB, node="cy", state="left"))),
            "links": Links(links=()),
        }
        self.fails = fails or {}

    async def ask(self, _folder: Path, topic: str, _kind: object) -> Any:
        await trio.lowlevel.checkpoint()
        if topic in self.fails:
            raise self.fails[topic]
        return self.said[topic]


@pytest.fixture
def mesh(tmp_path: Path) -> Config:
    (tmp_path / "gossip.key").write_text("no key at all")
    (tmp_path / "gossip.key").chmod(0o600)
    return a_config(tmp_path, mesh={"gossip_key_file": str(tmp_path / "gossip.key")})


async def _found(monkeypatch: pytest.MonkeyPatch, node: Node, config: Config, folder: Path) -> dict[str, Any]:
    monkeypatch.setattr(examination, "ask_node", node.ask)
    found = await examine(config, folder)
    checks = {check.name: check for check in found.checks}
    assert len(checks) == len(found.checks), "each name comes once"
    assert all(check.next for check in found.checks if check.verdict != "ok"), "each has a next step"
    return {"running": found.running, **checks}


async def test_without_a_node_the_ports_must_be_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = a_config(tmp_path, http={"port": 0})
    error = NodeStartError("not_running", "no node runs", exit_code=EXIT_NOT_RUNNING)
    node = Node(_facts(config), fails={"facts": error})
    found = await _found(monkeypatch, node, config, tmp_path)
    assert not found["running"]
    assert (found["node"].verdict, found["node"].next) == ("warn", "starling up")
    assert found["port.http.tcp"].verdict == "ok"
    assert {"config", "data_dir", "engine.program", "serf.program", "files", "store", "certificate"} <= found.keys()


async def test_a_node_that_does_not_answer_fails_and_its_ports_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = a_config(tmp_path)
    node = Node(_facts(config), fails={"facts": NodeStartError("no_answer", "it hangs", exit_code=EXIT_NOT_RUNNING)})
    found = await _found(monkeypatch, node, config, tmp_path)
    assert (found["node"].verdict, found["node"].message, found["node"].next) == ("fail", "it hangs", "restart it")
    assert not [name for name in found if name.startswith("port.")]


async def test_the_running_nodes_own_settings_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = a_config(tmp_path, node={"region": "moon"})
    facts = _facts(own, agent_up=None, files_allowed=64, files_open=60)
    found = await _found(monkeypatch, Node(facts), a_config(tmp_path, node={"region": "sun"}), tmp_path)
    assert found["running"]
    assert "region moon" in found["config"].message
    assert (found["files"].verdict, "60 open of 64" in found["files"].message) == ("warn", True)
    assert "127.0.0.1:40000" in found["engine"].message
    assert "serf.agent" not in found, "a node alone has none"
    assert (found["http"].verdict, "/healthz" in found["http"].next) == ("warn", True)


async def test_what_a_running_node_knows_is_judged(
    tmp_path: Path, mesh: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a key file that somebody has spoilt meanwhile: the node runs on, and the doctor ends its round."""
    facts = _facts(mesh, agent_restarts=3)
    found = await _found(monkeypatch, Node(facts), mesh, tmp_path)
    assert (found["serf.agent"].verdict, "started again 3 times" in found["serf.agent"].message) == ("ok", True)
    assert found["keys.gossip"].verdict == "fail"
    assert (found["udp.gossip.own"].verdict, found["udp.gossip.own"].next) == ("fail", "see keys.gossip")
    assert {"udp.gossip:bob", "udp.media:bob", "clock:bob"} <= found.keys()
    assert not [name for name in found if name.endswith(":cy")], "who left is not looked for"


async def test_seeds_are_asked_now_and_whether_the_node_is_ready(
    tmp_path: Path, mesh: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what was true when the node started."""
    config = msgspec.structs.replace(mesh, mesh=msgspec.structs.replace(mesh.mesh, seeds=("127.0.0.1:1",)))
    node = Node(_facts(config))
    problem = Problem(part="mesh", code="node_twin", message="another has its id")
    node.said["status"] = msgspec.structs.replace(READY, ready=False, problems=(problem,))
    found = await _found(monkeypatch, node, config, tmp_path)
    assert (found["seeds"].verdict, "127.0.0.1:1" in found["seeds"].message) == ("warn", True)
    assert found["ready:node_twin"].verdict == "fail"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        config = msgspec.structs.replace(config, mesh=msgspec.structs.replace(config.mesh, seeds=(address,)))
        found = await _found(monkeypatch, Node(_facts(config)), config, tmp_path)
    assert (found["seeds"].verdict, "gossip key" in found["seeds"].message) == ("fail", True)


async def test_parts_that_are_being_replaced_fail(
    tmp_path: Path, mesh: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await _found(monkeypatch, Node(_facts(mesh, engine_serves=False, agent_up=False)), mesh, tmp_path)
    assert (found["engine"].verdict, found["serf.agent"].verdict) == ("fail", "fail")
    assert "starling monitor" in found["serf.agent"].next


async def test_a_node_that_ends_meanwhile_is_a_finding(
    tmp_path: Path, mesh: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = NodeStartError("not_running", "no node runs there", exit_code=EXIT_NOT_RUNNING)
    found = await _found(monkeypatch, Node(_facts(mesh), fails={"links": gone}), mesh, tmp_path)
    assert (found["peers"].verdict, found["peers"].message) == ("fail", "no node runs there")


async def test_a_node_with_an_external_agent_has_no_key_to_ask_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    mesh: dict[str, object] = {"rpc": "127.0.0.1:7373", "rpc_token_file": str(tmp_path / "token"), "serf": "no-serf"}
    config = a_config(tmp_path, mesh=mesh)
    found = await _found(monkeypatch, Node(_facts(config)), config, tmp_path)
    assert found["keys.gossip"].verdict == found["serf.program"].verdict == found["udp.gossip:bob"].verdict == "ok"
    assert "peers" in found


def test_with_wrong_settings_the_machine_is_looked_at() -> None:
    found = examine_machine()
    assert [check.name for check in found.checks] == ["engine.program", "serf.program"]
    assert not found.running
