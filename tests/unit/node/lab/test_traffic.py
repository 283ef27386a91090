"""Which way media goes, by what the network counted."""

from __future__ import annotations

from lab.emulator import PathStatistics, WanStatistics
from node.lab.traffic import Traffic

NODES = ("ams", "hcm", "sin")


def counted(**sent: int) -> WanStatistics:
    """The network after it carried so many bytes, by names of sender and receiver with an underscore between."""
    paths = []
    for name, count in sent.items():
        one, other = name.split("_")
        nothing = dict.fromkeys(("sent", "delivered", "lost", "cut", "overflowed", "refused", "took_us"), 0)
        paths.append(PathStatistics(sender=one, receiver=other, sent_bytes=count, **nothing))
    return WanStatistics(unroutable=0, crowded_out=0, under_way=0, max_late_us=0, cpu_s=0.0, paths=tuple(paths))


def traffic() -> Traffic:
    return Traffic(nodes=NODES, began_s=100.0)


def test_gossip_is_no_media() -> None:
    seen = traffic()
    for second in range(5):
        seen.take(100.0 + second, counted(ams_hcm=5_000 * second, ams_sin=9_000 * second))
    assert seen.way("ams", "hcm") == ("ams", "hcm")
    assert seen.changes == []


def test_a_detour_is_seen_when_it_carries_clearly_more() -> None:
    seen = traffic()
    direct = detour = 0
    for second, (on_direct, on_detour) in enumerate([(0, 0), (200_000, 0), (200_000, 200_000), (10_000, 200_000)]):
        direct, detour = direct + on_direct, detour + on_detour
        seen.take(100.0 + second, counted(ams_hcm=direct, ams_sin=detour, sin_hcm=detour))
    assert [(one.at_s, one.what) for one in seen.changes] == [(3.0, "media of ams goes to sin now, not to hcm")]
    assert seen.way("ams", "hcm") == ("ams", "sin", "hcm")
    assert seen.rates["ams", "sin"] == 400_000 * 8 / 3 / 1e6


def test_ways_without_end_are_not_followed() -> None:
    seen = traffic()
    for second in range(3):
        seen.take(100.0 + second, counted(ams_sin=200_000 * second, sin_ams=200_000 * second))
    assert seen.way("ams", "hcm") == ("ams", "hcm")
    assert seen.way("ams", "ams") == ("ams",)
