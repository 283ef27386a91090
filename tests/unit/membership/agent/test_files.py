"""The agent's files: ordered boots, private secrets."""

import json
from pathlib import Path

import pytest

from membership.agent.files import next_boot, write_agent_files
from membership.config import MembershipConfig
from signalling.ids import NodeId

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def test_boots_grow_over_lost_folders_and_clocks_that_go_back(tmp_path: Path) -> None:
    assert next_boot(tmp_path / "new", now_s=1000.7) == 1000
    assert next_boot(tmp_path / "new", now_s=1000.9) == 1001
    assert next_boot(tmp_path / "new", now_s=5) == 1002
    assert next_boot(tmp_path / "other", now_s=2000) == 2000


@pytest.mark.parametrize("content", ["", "x", "-5", "9" * 40, "\udcff", "12\n13"])
def test_a_spoilt_counter_begins_at_the_clock(tmp_path: Path, content: str) -> None:
    path = tmp_path / "gossip" / "boot"
    path.parent.mkdir()
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert next_boot(tmp_path, now_s=1000) == 1000
    assert path.read_text() == "1000\n"


def test_secrets_are_for_the_owner_alone(tmp_path: Path) -> None:
    config = MembershipConfig(
        cluster="test",
        node_id=NodeId("ada"),
        region="eu",
        data_dir=tmp_path / "data",
        runtime_dir=tmp_path / "run",
        seeds=("127.0.0.1:1",),
        gossip_key=KEY,
    )
    files = write_agent_files(config, agent_boot=7, rpc_port=4711, tags={"c": "test"})
    again = write_agent_files(config, agent_boot=8, rpc_port=4711, tags={})
    assert (files.name, again.name) == ("ada-7", "ada-8")
    assert files.rpc_token != again.rpc_token
    assert files.folder != again.folder
    assert files.folder.stat().st_mode & 0o777 == 0o700
    for path in files.folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    settings = json.loads(files.config.read_text())
    assert settings["rpc_addr"] == "127.0.0.1:4711"
    assert settings["tags"] == {"c": "test"}
    assert "encrypt_key" not in settings
    assert json.loads(Path(settings["keyring_file"]).read_text()) == [KEY]
