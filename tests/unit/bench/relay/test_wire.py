"""What is told apart on the wire, and the parts of a link's making."""

from __future__ import annotations

import struct

import pytest

from tests.bench.relay.setting_up import Cold, Warm, cold_parts_ms, multiples
from tests.bench.relay.wire import Kind, Wire, kind_of, udp_of

NEAR, FAR = "10.77.1.1", "10.77.1.2"


def packet(sender: str, receiver: str, datagram: bytes, *, port: int = 5000, protocol: int = 17) -> bytes:
    addresses = b"".join(bytes(map(int, one.split("."))) for one in (sender, receiver))
    header = bytes([0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]) + addresses
    return header + struct.pack("!HHHH", port, 6000, 8 + len(datagram), 0) + datagram


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (0, 1, Kind.STUN),
        (3, 0, Kind.STUN),
        (22, 254, Kind.HANDSHAKE),
        (23, 254, Kind.CHANNEL),
        (0x80, 96, Kind.MEDIA),
        (0x90, 0xE0, Kind.MEDIA),
        (0x80, 106, Kind.SIGNAL),
        (0x80, 102, Kind.MEDIA),
        (0x80, 200, Kind.REPORT),
        (0x81, 206, Kind.REPORT),
        (64, 0, Kind.OTHER),
    ],
)
def test_the_first_bytes_tell_what_it_is(first: int, second: int, kind: Kind) -> None:
    assert kind_of(bytes([first, second, 0, 0])) is kind


def test_what_is_too_short_is_nothing() -> None:
    assert kind_of(b"") is Kind.OTHER
    assert kind_of(b"\x80") is Kind.OTHER
    for length in range(28):
        assert udp_of(packet(NEAR, FAR, b"")[:length]) is None


def test_gossip_and_other_protocols_are_left_out() -> None:
    assert udp_of(packet(NEAR, FAR, b"x")) == (NEAR, FAR, b"x")
    assert udp_of(packet(NEAR, FAR, b"x", port=7946)) is None
    assert udp_of(packet(NEAR, FAR, b"x", protocol=6)) is None


def test_only_what_is_between_the_two_is_seen() -> None:
    wire = Wire(NEAR, FAR)
    wire.take(1.0, packet(FAR, "10.77.1.3", b"\x80\x60"))
    wire.take(2.0, packet(FAR, NEAR, b"\x80\x60"))
    wire.take(3.0, packet(NEAR, FAR, b"\x80\x60"))
    assert wire.first(Kind.MEDIA) == 2.0
    assert wire.first(Kind.MEDIA, sender=NEAR) == 3.0
    assert wire.first(Kind.MEDIA, after_s=2.5) == 3.0
    assert wire.first(Kind.STUN) is None


def made() -> Wire:
    """A link that the far end began at 1.2 s, and the near end at 1.3 s."""
    wire = Wire(NEAR, FAR)
    for at_s, sender, datagram in (
        (1.20, FAR, b"\x00\x01"),
        (1.30, NEAR, b"\x00\x01"),
        (1.34, NEAR, b"\x16\xfe"),
        (1.42, FAR, b"\x17\xfe"),
        (1.50, FAR, b"\x80\x60"),
    ):
        wire.take(at_s, packet(sender, NEAR if sender == FAR else FAR, datagram))
    return wire


def test_the_parts_follow_each_other_and_are_the_whole() -> None:
    cold = cold_parts_ms(made(), 1.0, 1.1, 1.5)
    wanted = Cold(took_ms=500, store_ms=100, gossip_ms=200, ice_ms=40, dtls_ms=80, leg_ms=80)
    for name in ("took_ms", "store_ms", "gossip_ms", "ice_ms", "dtls_ms", "leg_ms"):
        assert getattr(cold, name) == pytest.approx(getattr(wanted, name))


def test_no_part_is_negative_when_two_overlap() -> None:
    cold = cold_parts_ms(made(), 1.0, 1.32, 1.5)
    assert cold.gossip_ms == 0
    assert cold.store_ms + cold.gossip_ms + cold.ice_ms + cold.dtls_ms + cold.leg_ms == pytest.approx(cold.took_ms)


def test_media_without_a_new_link_is_no_cold_one() -> None:
    wire = Wire(NEAR, FAR)
    wire.take(1.2, packet(FAR, NEAR, b"\x80\x60"))
    with pytest.raises(ValueError, match="no link"):
        cold_parts_ms(wire, 1.0, 1.1, 1.2)


def test_a_multiple_is_of_both_round_trips() -> None:
    assert multiples([Warm(took_ms=160, joined_ms=50, link_ms=42, store_ms=38)]) == [2.0]
