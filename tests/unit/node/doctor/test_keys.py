"""Keys and certificates: good, ending, ended, of another pair, unreadable, readable by others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from node.doctor.keys import (
    RENEW_WITHIN,
    check_certificate,
    check_cluster_keys,
    check_gossip_key,
    gossip_key_in_use,
)
from node.errors import NodeStartError
from session import ClusterKeys
from tests.unit.node.doctor.configs import KEY, a_config
from tests.unit.node.http.test_tls import write_pair

if TYPE_CHECKING:
    from pathlib import Path

    from node.config import Config

END = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=36500)
"""Of the certificates that `write_pair` makes."""


def _with_tls(folder: Path) -> Config:
    certificate, key = write_pair(folder, "a")
    return a_config(folder, http={"tls_cert": str(certificate), "tls_key": str(key)})


def _write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


# --- certificate --------------------------------------------------------------------------


def test_without_a_certificate_nothing_is_wrong(tmp_path: Path) -> None:
    assert check_certificate(a_config(tmp_path)).verdict == "ok"


@pytest.mark.parametrize(
    ("left", "verdict", "word"),
    [
        (timedelta(days=400), "ok", "400 days"),
        (RENEW_WITHIN, "ok", "14 days"),
        (RENEW_WITHIN - timedelta(seconds=1), "warn", "ends in 13 days"),
        (timedelta(seconds=1), "warn", "ends in 0 days"),
        (timedelta(0), "fail", "ended"),
        (timedelta(days=-3), "fail", "ended"),
    ],
)
def test_a_certificate_is_told_before_it_ends(tmp_path: Path, left: timedelta, verdict: str, word: str) -> None:
    check = check_certificate(_with_tls(tmp_path), now=END - left)
    assert (check.name, check.verdict) == ("certificate", verdict)
    assert word in check.message
    assert ("SIGHUP" in check.next) == (verdict != "ok")


def test_a_certificate_with_another_ones_key_fails(tmp_path: Path) -> None:
    config = _with_tls(tmp_path)
    old = (tmp_path / "cert.pem").read_bytes()
    write_pair(tmp_path, "b")
    (tmp_path / "cert.pem").write_bytes(old)
    check = check_certificate(config)
    assert (check.verdict, "renew" in check.next) == ("fail", True)


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_a_certificate_that_is_none_fails(tmp_path: Path, content: bytes | None) -> None:
    config = _with_tls(tmp_path)
    (tmp_path / "cert.pem").unlink()
    if content is not None:
        (tmp_path / "cert.pem").write_bytes(content)
    assert check_certificate(config).verdict == "fail"


# --- gossip key ---------------------------------------------------------------------------


def _mesh(folder: Path, text: str = KEY, mode: int = 0o600) -> Config:
    path = _write(folder / "gossip.key", text, mode)
    return a_config(folder, mesh={"gossip_key_file": str(path)})


def test_a_good_gossip_key_is_named_by_its_size_and_not_shown(tmp_path: Path) -> None:
    check = check_gossip_key(_mesh(tmp_path, KEY + "\n"))
    assert (check.name, check.verdict) == ("keys.gossip", "ok")
    assert "128 bits" in check.message
    assert KEY not in repr(check)
    assert check_gossip_key(a_config(tmp_path)).verdict == "ok", "a node on its own needs none"


@pytest.mark.parametrize("text", ["", "not base64!", "c2hvcnQ=", "\u00e9" * 16])
def test_what_is_no_gossip_key_fails(tmp_path: Path, text: str) -> None:
    check = check_gossip_key(_mesh(tmp_path, text))
    assert (check.verdict, "keygen" in check.next) == ("fail", True)


def test_a_gossip_key_that_others_can_read_or_that_is_gone_fails(tmp_path: Path) -> None:
    check = check_gossip_key(_mesh(tmp_path, mode=0o644))
    assert (check.verdict, "chmod 600" in check.message) == ("fail", True)
    (tmp_path / "gossip.key").unlink()
    assert check_gossip_key(a_config(tmp_path, mesh={"gossip_key_file": str(tmp_path / "gone")})).verdict == "fail"


def test_an_external_agent_has_the_key_and_its_token_is_looked_at(tmp_path: Path) -> None:
    mesh: dict[str, object] = {"rpc": "127.0.0.1:7373", "rpc_token_file": str(tmp_path / "token")}
    config = a_config(tmp_path, mesh=mesh)
    check = check_gossip_key(config)
    assert (check.verdict, "mesh.rpc_token_file" in check.next) == ("fail", True)
    _write(tmp_path / "token", "secret")
    check = check_gossip_key(config)
    assert (check.verdict, "127.0.0.1:7373" in check.message) == ("ok", True)
    assert gossip_key_in_use(config, tmp_path) is None


def test_after_a_rotation_the_keyring_knows_the_key(tmp_path: Path) -> None:
    config, rotated = _mesh(tmp_path), "YWJjZGVmZ2hpamtsbW5vcA=="
    assert gossip_key_in_use(config, tmp_path) == KEY, "no keyring yet"
    (tmp_path / "gossip").mkdir()
    (tmp_path / "gossip" / "keyring.json").write_text(json.dumps([rotated, KEY]))
    assert gossip_key_in_use(config, tmp_path) == rotated
    (tmp_path / "gossip" / "keyring.json").write_text("damaged")
    assert gossip_key_in_use(config, tmp_path) == KEY
    (tmp_path / "gossip.key").unlink()
    with pytest.raises(NodeStartError):
        gossip_key_in_use(config, tmp_path)


# --- cluster keys -------------------------------------------------------------------------


def test_a_node_alone_makes_its_keys_and_a_mesh_must_have_them(tmp_path: Path) -> None:
    assert "first start" in check_cluster_keys(a_config(tmp_path)).message
    check = check_cluster_keys(_mesh(tmp_path))
    assert (check.name, check.verdict, "copy it" in check.next) == ("keys.cluster", "fail", True)
    ClusterKeys.generate().save(tmp_path / "cluster-keys.json")
    assert check_cluster_keys(_mesh(tmp_path)).verdict == "ok"


def test_cluster_keys_that_are_none_fail_also_alone(tmp_path: Path) -> None:
    _write(tmp_path / "cluster-keys.json", "{}")
    assert check_cluster_keys(a_config(tmp_path)).verdict == "fail"
