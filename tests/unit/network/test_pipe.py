"""A narrow path, by its own clock."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.network.pipe import OVERHEAD_BYTES, Limits, Pipe

PACKET = bytes(1000 - OVERHEAD_BYTES)
"""8,000 bits on the path."""


def test_without_limits_a_packet_is_there_at_once() -> None:
    pipe = Pipe(Limits())
    pipe.push(b"one", 1.0)
    assert pipe.next_deadline() == 1.0
    assert pipe.pull(1.0) == [b"one"]
    assert pipe.next_deadline() == math.inf


def test_a_bottleneck_spaces_packets_and_the_delay_comes_on_top() -> None:
    pipe = Pipe(Limits(rate_bps=80_000, delay_s=0.5, queue_s=1.0))
    for _ in range(3):
        pipe.push(PACKET, 0.0)
    assert pipe.next_deadline() == 0.6
    assert [len(pipe.pull(now)) for now in (0.59, 0.6, 0.69, 0.7, 0.81)] == [0, 1, 0, 1, 1]


def test_a_full_queue_drops_the_newcomer() -> None:
    pipe = Pipe(Limits(rate_bps=80_000, queue_s=0.3))
    for _ in range(5):
        pipe.push(PACKET, 0.0)
    assert pipe.dropped == 2
    assert len(pipe.pull(1.0)) == 3


def test_a_packet_larger_than_the_queue_passes_an_empty_one() -> None:
    pipe = Pipe(Limits(rate_bps=80_000, queue_s=0.01))
    pipe.push(PACKET, 0.0)
    assert pipe.dropped == 0


def test_every_so_many_packets_one_is_lost() -> None:
    pipe = Pipe(Limits(drop_every=3))
    for number in range(9):
        pipe.push(bytes([number]), 0.0)
    assert b"".join(pipe.pull(0.0)) == bytes([0, 1, 3, 4, 6, 7])


def test_what_waits_goes_at_the_new_rate() -> None:
    pipe = Pipe(Limits(rate_bps=8_000, queue_s=10.0))
    for _ in range(4):
        pipe.push(PACKET, 0.0)
    pipe.limit(Limits(rate_bps=80_000, queue_s=10.0), 0.5)
    assert [len(pipe.pull(now)) for now in (0.59, 0.61, 0.91)] == [0, 1, 3]


class HastyPipe(Pipe):
    """A mutant: its bottleneck takes no time."""

    def _leaves_at(self) -> float:
        return self._free_at


def check(pipe_class: type[Pipe], arrivals: list[tuple[float, int]], rate_bps: float, queue_s: float) -> None:
    """In no stretch of time does more leave than the bottleneck lets through; order stays; no wait is too long."""
    pipe = pipe_class(Limits(rate_bps=rate_bps, queue_s=queue_s))
    now, left = 0.0, list[tuple[float, bytes]]()

    def pull_until(end: float) -> None:
        while (due := pipe.next_deadline()) <= end and due < math.inf:
            left.extend((due, packet) for packet in pipe.pull(due))

    came: dict[bytes, float] = {}
    for number, (pause, size) in enumerate(arrivals):
        now += pause
        pull_until(now)
        packet = number.to_bytes(2, "big") + bytes(size)
        came[packet] = now
        pipe.push(packet, now)
    pull_until(math.inf)
    assert len(left) + pipe.dropped == len(came)
    assert [packet for _, packet in left] == sorted(packet for _, packet in left)
    for (before, _), (at, packet) in itertools.pairwise(left):
        assert at - before >= 0.999 * service_s(packet, rate_bps)
    for at, packet in left:
        assert at - came[packet] <= queue_s + 2 * service_s(bytes(1402), rate_bps)


def service_s(packet: bytes, rate_bps: float) -> float:
    return (len(packet) + OVERHEAD_BYTES) * 8 / rate_bps


@given(
    st.lists(st.tuples(st.floats(0, 0.1), st.integers(1, 1400)), max_size=60),
    st.floats(10_000, 10_000_000),
    st.floats(0.01, 1.0),
)
def test_never_faster_than_the_bottleneck(arrivals: list[tuple[float, int]], rate_bps: float, queue_s: float) -> None:
    check(Pipe, arrivals, rate_bps, queue_s)


def test_the_property_finds_a_pipe_without_a_bottleneck() -> None:
    with pytest.raises(AssertionError):
        check(HastyPipe, [(0.0, 1000), (0.0, 1000)], 100_000, 1.0)
