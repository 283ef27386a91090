"""Ports: free, taken, not ours; by the kernel's own word."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from node.demo.ports import find_free_ports
from node.doctor.ports import check_free, ports_of
from tests.unit.node.doctor.configs import a_config

if TYPE_CHECKING:
    from pathlib import Path

    from node.config import Config


def _config(folder: Path, **sections: dict[str, object]) -> Config:
    http, media, gossip = find_free_ports(3)
    return a_config(
        folder,
        http={"port": http, **sections.get("http", {})},
        media={"port": media, **sections.get("media", {})},
        mesh={"gossip_key_file": "k", "port": gossip, **sections.get("mesh", {})},
    )


def test_free_ports_are_free_and_each_is_named(tmp_path: Path) -> None:
    config = _config(tmp_path)
    checks = list(check_free(config))
    assert {check.verdict for check in checks} == {"ok"}
    names = [check.name for check in checks]
    assert names == ["port.http.tcp", f"port.media.udp:{config.media.port}", "port.gossip.tcp", "port.gossip.udp"]


@pytest.mark.parametrize(
    ("name", "setting"),
    [("http", "http.port"), ("media", "media.port"), ("gossip.tcp", "mesh.port"), ("gossip.udp", "mesh.port")],
)
def test_a_port_that_is_taken_is_named_with_the_setting_and_who_to_ask(tmp_path: Path, name: str, setting: str) -> None:
    config = _config(tmp_path)
    wanted = next(port for port in ports_of(config) if name in (port.purpose, f"{port.purpose}.{port.protocol}"))
    kind = socket.SOCK_STREAM if wanted.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((wanted.address, wanted.port))
        if wanted.protocol == "tcp":
            taken.listen()
        bad = [check for check in check_free(config) if check.verdict != "ok"]
    assert len(bad) == 1
    assert bad[0].name.startswith(f"port.{wanted.purpose}.{wanted.protocol}")
    assert (bad[0].verdict, f":{wanted.port} is taken" in bad[0].message) == ("fail", True)
    assert f"ss -lpn 'sport = :{wanted.port}'" in bad[0].next
    assert setting in bad[0].next


def test_an_address_of_another_machine_is_said_with_its_setting(tmp_path: Path) -> None:
    bad = [check for check in check_free(_config(tmp_path, http={"address": "192.0.2.1"})) if check.verdict != "ok"]
    assert [check.name for check in bad] == ["port.http.tcp"]
    assert "no address 192.0.2.1" in bad[0].message
    assert "http.address" in bad[0].next


def test_each_worker_has_a_port_of_its_own_and_tcp_is_looked_at_where_it_is_on(tmp_path: Path) -> None:
    config = _config(tmp_path, media={"workers": 3, "tcp": True})
    media = [(port.protocol, port.port - config.media.port) for port in ports_of(config) if port.purpose == "media"]
    assert media == [("udp", 0), ("udp", 1), ("udp", 2), ("tcp", 0), ("tcp", 1), ("tcp", 2)]
    anywhere = a_config(tmp_path, media={"workers": 3, "port": 0})
    assert [port.port for port in ports_of(anywhere) if port.purpose == "media"] == [0]
    assert "any free one is free" in next(check.message for check in check_free(anywhere) if "media" in check.name)


def test_the_ports_of_an_external_agent_are_taken_by_it_and_that_is_well(tmp_path: Path) -> None:
    config = a_config(tmp_path, mesh={"rpc": "127.0.0.1:7373", "rpc_token_file": "t"})
    assert "gossip" not in {port.purpose for port in ports_of(config)}
