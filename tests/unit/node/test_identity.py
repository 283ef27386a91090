from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.config import load_config
from node.config.derived import Machine
from node.errors import EXIT_CONFIG, NodeStartError
from node.identity import NODE_KEY_FILE, hold_data_dir, load_gossip_key, load_identity
from node.private_files import read_private, write_private
from session import SessionSetupError

if TYPE_CHECKING:
    from pathlib import Path

    from node.config import Config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(environment={}, machine=Machine(host_name="a", state_dir=tmp_path))


def mesh_config(tmp_path: Path) -> Config:
    environment = {
        "STARLING_MESH__GOSSIP_KEY_FILE": str(tmp_path / "gossip.key"),
        "STARLING_TOKENS__CLUSTER_KEYS_FILE": str(tmp_path / "cluster-keys.json"),
        "STARLING_STORE__KIND": "redis",
    }
    return load_config(environment=environment, machine=Machine(host_name="a", state_dir=tmp_path))


def test_a_node_alone_makes_its_keys_once(config: Config) -> None:
    with hold_data_dir(config) as folder:
        first, second = load_identity(config), load_identity(config)
        assert first.public_key == second.public_key
        assert first.cluster_keys.public_keys == second.cluster_keys.public_keys
        for name in (NODE_KEY_FILE, "cluster-keys.json"):
            assert (folder / name).stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_node_of_a_mesh_never_makes_cluster_keys(tmp_path: Path) -> None:
    config = mesh_config(tmp_path)
    with hold_data_dir(config), pytest.raises(SessionSetupError, match="keygen"):
        load_identity(config)
    assert not (tmp_path / "cluster-keys.json").exists()


def test_two_nodes_never_share_a_folder(config: Config) -> None:
    with hold_data_dir(config):
        with pytest.raises(NodeStartError, match="another node runs in") as caught, hold_data_dir(config):
            pass
        assert caught.value.code == "data_dir_taken"
    with hold_data_dir(config):
        pass


def test_a_folder_that_cannot_be_made_is_a_matter_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    config = load_config(environment={}, machine=Machine(host_name="a", state_dir=tmp_path))
    with pytest.raises(NodeStartError, match=r"node\.data_dir") as caught, hold_data_dir(config):
        pass
    assert caught.value.exit_code == EXIT_CONFIG


def test_a_broken_node_key_is_said(config: Config) -> None:
    with hold_data_dir(config) as folder:
        write_private(folder / NODE_KEY_FILE, b"no key")
        with pytest.raises(NodeStartError, match="no Ed25519 key"):
            load_identity(config)


def test_the_gossip_key_is_read_without_its_line_end(tmp_path: Path) -> None:
    write_private(tmp_path / "gossip.key", b"AAAA\n")
    assert load_gossip_key(mesh_config(tmp_path)) == "AAAA"


def test_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gossip.key"
    with pytest.raises(NodeStartError, match="no such file"):
        read_private(path, what="The key")
    write_private(path, b"k")
    path.chmod(0o640)
    with pytest.raises(NodeStartError, match=r"0640.*chmod 600"):
        read_private(path, what="The key")
    write_private(path, b"k" * 20_000)
    with pytest.raises(NodeStartError, match="too long"):
        read_private(path, what="The key")


def test_a_private_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"first", replace=False)
    with pytest.raises(FileExistsError):
        write_private(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    write_private(path, b"third")
    assert path.read_bytes() == b"third"
    assert list(tmp_path.iterdir()) == [path]
