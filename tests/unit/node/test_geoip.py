"""Addresses on the map: found, not found, nonsense, and files that are no database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from membership import Position
from node.errors import EXIT_CONFIG, NodeStartError
from node.geoip import GeoDatabase
from tests.unit.node.mmdb import mmdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NETWORKS: dict[str, object] = {
    "198.51.100.0/24": {"location": {"latitude": 48.9, "longitude": 2.4}, "city": {"names": {"en": "Paris"}}},
    "203.0.113.0/25": {"country": {"iso_code": "FR"}},
    "203.0.113.128/25": {"location": {"latitude": 91.0, "longitude": 0.0}},
    "192.0.2.0/24": {"location": {"latitude": "north", "longitude": 0.0}},
}
PARIS = Position(latitude=48.9, longitude=2.4)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[GeoDatabase]:
    path = tmp_path / "city.mmdb"
    path.write_bytes(mmdb(NETWORKS))
    opened = GeoDatabase(path)
    yield opened
    opened.close()


@pytest.mark.parametrize("address", ["198.51.100.7", "198.51.100.255"])
def test_an_address_has_the_place_of_its_network(database: GeoDatabase, address: str) -> None:
    assert database.position_of(address) == PARIS


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "203.0.113.1", "203.0.113.200", "192.0.2.1", "2001:db8::1", "2001:db8::/64", "", "x", "fe80::1%eth0"],
)
def test_what_is_not_on_the_map_has_no_place(database: GeoDatabase, address: str) -> None:
    assert database.position_of(address) is None


def test_ipv6_and_networks(tmp_path: Path) -> None:
    path = tmp_path / "city6.mmdb"
    path.write_bytes(mmdb({"2001:db8::/32": NETWORKS["198.51.100.0/24"]}, version=6))
    database = GeoDatabase(path)
    assert database.position_of("2001:db8:1::9") == database.position_of("2001:db8:1::/64") == PARIS
    database.close()


async def test_a_new_file_counts_once_it_is_read_and_a_bad_one_never(tmp_path: Path) -> None:
    path = tmp_path / "city.mmdb"
    path.write_bytes(mmdb(NETWORKS))
    database = GeoDatabase(path)
    tokyo = mmdb({"198.51.100.0/24": {"location": {"latitude": 35.7, "longitude": 139.7}}})
    path.write_bytes(tokyo)  # in place, as `cp` does: what is served was read before
    assert database.position_of("198.51.100.7") == PARIS
    await database.reload()
    assert database.position_of("198.51.100.7") == Position(latitude=35.7, longitude=139.7)
    for bad in (b"", tokyo[:-40], b"<html>quota exceeded</html>"):
        path.write_bytes(bad)
        with pytest.raises(NodeStartError, match=r"placement\.geoip_database"):
            await database.reload()
        assert database.position_of("198.51.100.7") == Position(latitude=35.7, longitude=139.7)
    path.unlink()
    with pytest.raises(NodeStartError):
        await database.reload()
    assert database.position_of("198.51.100.7") is not None
    database.close()


@pytest.mark.parametrize("content", [None, b"", b"not a database", mmdb(NETWORKS)[:-40]])
def test_a_file_that_is_no_database_is_said_by_its_setting(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NodeStartError, match=r"placement\.geoip_database") as raised:
        GeoDatabase(path)
    assert (raised.value.code, raised.value.exit_code) == ("geoip_unreadable", EXIT_CONFIG)


def test_a_damaged_page_costs_one_answer(tmp_path: Path) -> None:
    content = bytearray(mmdb(NETWORKS))
    start = content.index(b"\x00" * 16) + 16
    content[start : start + 8] = b"\xff" * 8
    path = tmp_path / "damaged.mmdb"
    path.write_bytes(content)
    database = GeoDatabase(path)
    for address in ("198.51.100.7", "203.0.113.1", "192.0.2.1"):
        database.position_of(address)
    database.close()
