from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.candidates import MAX_CANDIDATES, can_meet, pack, unpack, usable

if TYPE_CHECKING:
    import ipaddress

ADDRESSES = st.ip_addresses().filter(lambda address: not (address.is_unspecified or address.is_multicast))


@given(kind=st.sampled_from(["host", "srflx"]), address=ADDRESSES, port=st.integers(1, 65535))
def test_a_candidate_survives_the_wire(
    kind: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    candidate = unpack(f"{kind} {address} {port}")
    assert candidate is not None
    assert (candidate.type, candidate.host, candidate.port) == (kind, str(address), port)
    assert pack(candidate) == f"{kind} {address} {port}"


@given(st.text())
def test_garbage_is_none_or_packs_to_what_reads_the_same(text: str) -> None:
    candidate = unpack(text)
    assert candidate is None or unpack(pack(candidate)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host 1.2.3.4",
        "relay 1.2.3.4 5",
        "host abc.local 5",
        "host 0.0.0.0 5",
        "host 224.0.0.1 5",
        "host 1.2.3.4 0",
        "host 1.2.3.4 65536",
        "host 1.2.3.4 99999999999999999999",
        "host 1.2.3.4 \N{SUPERSCRIPT TWO}",
        "host  1.2.3.4 5",
    ],
)
def test_what_no_packet_can_be_sent_to_is_left_out(text: str) -> None:
    assert unpack(text) is None


def test_usable_keeps_order_once_and_few() -> None:
    texts = ["host 1.2.3.4 5", "host x.local 5", "host ::1 5", "host 1.2.3.4 5"]
    assert usable(texts) == ("host 1.2.3.4 5", "host ::1 5")
    assert len(usable(f"host 1.2.3.4 {port}" for port in range(1, 99))) == MAX_CANDIDATES


def test_only_the_same_family_can_meet() -> None:
    assert can_meet(["host 1.2.3.4 5", "host ::1 5"], ["host ::2 5"])
    assert not can_meet(["host 1.2.3.4 5"], ["host ::2 5"])
    assert not can_meet(["host 1.2.3.4 5"], [])
