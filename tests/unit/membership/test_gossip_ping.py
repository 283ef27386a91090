"""One packet and its answer: who has the key is heard, nobody else, and lost ones are sent again."""

from __future__ import annotations

import base64
import secrets
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from membership.gossip_ping import NONCE_BYTES, TRIES, is_answer, ping_gossip, sealed_ping

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"0123456789abcdef"
OTHER = b"fedcba9876543210"
TEXT = base64.b64encode(KEY).decode()


def _sealed(key: bytes, body: bytes = b"\x02acknowledged") -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return b"\x01" + nonce + AESGCM(key).encrypt(nonce, body, b"")


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_ping_is_what_memberlist_reads(size: int) -> None:
    """A version, a nonce, and sealed: a byte for the type and a map, whose empty name is for whoever gets it."""
    key = secrets.token_bytes(size)
    packet = sealed_ping(key, 7)
    assert packet[:1] == b"\x01"
    body = AESGCM(key).decrypt(packet[1 : 1 + NONCE_BYTES], packet[1 + NONCE_BYTES :], b"")
    assert body[:1] == b"\x00"
    assert msgspec.msgpack.decode(body[1:]) == {"SeqNo": 7, "Node": ""}
    assert sealed_ping(key, 7) != packet, "no nonce comes twice"


def test_only_our_key_makes_an_answer() -> None:
    assert is_answer(KEY, _sealed(KEY))
    assert not is_answer(KEY, _sealed(OTHER))
    bent = bytearray(_sealed(KEY))
    bent[-1] ^= 1
    assert not is_answer(KEY, bytes(bent))
    assert not is_answer(KEY, b"\x00" + _sealed(KEY)[1:]), "another version"


@given(st.binary(max_size=64))
def test_garbage_is_no_answer(packet: bytes) -> None:
    assert not is_answer(KEY, packet)
    assert not is_answer(KEY, b"\x01" + packet)


async def _answer(
    reply: Callable[[int], list[bytes]], heard: list[bytes], *, task_status: trio.TaskStatus[int]
) -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        task_status.started(sock.getsockname()[1])
        while True:
            packet, sender = await sock.recvfrom(65536)
            heard.append(packet)
            for answer in reply(len(heard)):
                await sock.sendto(answer, sender)


async def _ping(reply: Callable[[int], list[bytes]], *, deadline_s: float) -> tuple[float | None, int]:
    """The round trip, and how many pings it took."""
    heard: list[bytes] = []
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(_answer, reply, heard))
        rtt_ms = await ping_gossip(TEXT, "127.0.0.1", port, deadline_s=deadline_s)
        nursery.cancel_scope.cancel()
    assert all(is_answer(KEY, packet) for packet in heard), "sealed with our key"
    return rtt_ms, len(heard)


async def test_an_answer_tells_the_round_trip() -> None:
    rtt_ms, pings = await _ping(lambda _number: [_sealed(KEY)], deadline_s=6.0)
    assert rtt_ms is not None
    assert 0 < rtt_ms < 2000
    assert pings == 1


async def test_a_lost_one_is_sent_again_and_strangers_are_passed_over() -> None:
    """What others send to this port is not mistaken for an answer, and does not end the wait for one."""
    rtt_ms, pings = await _ping(
        lambda number: [] if number == 1 else [b"", b"\x01", _sealed(OTHER), _sealed(KEY)], deadline_s=0.6
    )
    assert rtt_ms is not None
    assert pings == 2


async def test_silence_ends_at_the_deadline() -> None:
    began = trio.current_time()
    rtt_ms, pings = await _ping(lambda _number: [_sealed(OTHER)], deadline_s=0.3)
    assert (rtt_ms, pings) == (None, TRIES)
    assert 0.3 <= trio.current_time() - began < 5


async def test_where_nobody_listens_the_kernel_says_so_at_once() -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as once:
        await once.bind(("127.0.0.1", 0))
        port = once.getsockname()[1]
    assert await ping_gossip(TEXT, "127.0.0.1", port, deadline_s=30.0) is None


@pytest.mark.parametrize("key", ["not base64!", base64.b64encode(b"short").decode(), "\u00e9"])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|Key|ASCII|base64"):
        await ping_gossip(key, "127.0.0.1", 9, deadline_s=1.0)
