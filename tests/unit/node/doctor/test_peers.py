"""Peers: there or gone, reached by UDP, linked, and right about the time."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from node.admin import LinkReport, MemberReport
from node.doctor import peers
from node.doctor.peers import (
    CLOCK_FAIL_S,
    CLOCK_WARN_S,
    Clock,
    check_clock,
    check_each,
    check_gossip_udp,
    check_media_udp,
    check_members,
    judge_clock,
    read_clock,
)
from tests.unit.node.doctor.configs import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

END_OF_TIME = "Fri, 31 Dec 9999 23:59:59.9 GMT"

BOB = MemberReport(node="bob", state="alive", url="http://127.0.0.1:1", address="127.0.0.1:1")
ME = MemberReport(node="ada", state="alive", me=True)
LINK = LinkReport(
    node="bob",
    state="up",
    rtt_ms=12.34,
    jitter_ms=0.1,
    loss=0.0,
    setup_ms=5.0,
    age_s=3.0,
    bytes_in=0,
    bytes_out=0,
    reason="",
)


# --- who there is -------------------------------------------------------------------------


def _verdicts(*members: MemberReport) -> dict[str, tuple[str, str, str]]:
    return {check.name: (check.verdict, check.message, check.next) for check in check_members(members)}


@pytest.mark.parametrize("state", ["alive", "draining", "ineligible"])
def test_living_peers_are_named(state: str) -> None:
    found = _verdicts(ME, msgspec.structs.replace(BOB, state=state))
    assert found == {"peers": ("ok", "1 there: bob", "")}


def test_a_node_without_peers_is_told_how_to_find_some() -> None:
    (verdict, _, cure) = _verdicts(ME)["peers"]
    assert (verdict, "starling join" in cure, "mesh.seeds" in cure) == ("warn", True, True)


def test_who_failed_or_is_refused_is_a_warning_each_and_who_left_is_none() -> None:
    refused = MemberReport(node="eve-1", state="refused", reason="uncertified: no certificate by our keys")
    gone = [MemberReport(node="cy", state="failed"), MemberReport(node="dan", state="left"), refused]
    found = _verdicts(ME, BOB, *gone)
    assert set(found) == {"peers", "peer:cy", "peer:eve-1"}
    assert found["peer:cy"][0] == "warn"
    assert "starling force-leave cy" in found["peer:cy"][2]
    assert "uncertified" in found["peer:eve-1"][1]


# --- UDP ----------------------------------------------------------------------------------


async def test_a_gossip_port_where_nobody_listens_fails_with_what_to_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as once:
        once.bind(("127.0.0.1", 0))
        port = once.getsockname()[1]
    check = await check_gossip_udp("bob", f"127.0.0.1:{port}", KEY)
    assert (check.name, check.verdict) == ("udp.gossip:bob", "fail")
    assert f"let UDP through to port {port} of 127.0.0.1" in check.next


@pytest.mark.parametrize("key", ["not base64!", "c2hvcnQ="])
async def test_a_key_that_is_none_is_said_and_breaks_nothing(key: str) -> None:
    check = await check_gossip_udp("bob", "127.0.0.1:9", key)
    assert (check.verdict, check.next) == ("fail", "see keys.gossip")


async def test_without_the_key_nobody_can_be_asked() -> None:
    check = await check_gossip_udp("bob", "[::1]:9", None)
    assert (check.verdict, "external agent" in check.message) == ("ok", True)


def test_only_a_link_tells_of_media() -> None:
    up = check_media_udp(BOB, (LINK,))
    assert (up.name, up.verdict, "12.3 ms" in up.message) == ("udp.media:bob", "ok", True)
    assert "nothing is known" in check_media_udp(BOB, ()).message
    down = check_media_udp(BOB, (msgspec.structs.replace(LINK, state="connecting", reason="ice_failed"),))
    assert (down.verdict, "media.port" in down.next) == ("warn", True)
    assert "ice_failed" in down.message


# --- clocks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset_s", "error_s", "verdict"),
    [
        (0.0, 0.5, "ok"),
        (CLOCK_WARN_S + 0.4, 0.5, "ok"),
        (CLOCK_WARN_S + 0.5, 0.5, "warn"),
        (-CLOCK_WARN_S - 0.5, 0.5, "warn"),
        (CLOCK_FAIL_S, 0.5, "warn"),
        (CLOCK_FAIL_S + 0.5, 0.5, "fail"),
        (-3600.0, 0.5, "fail"),
        (40.0, 39.0, "ok"),
    ],
)
def test_a_difference_counts_only_beyond_what_may_be_its_error(offset_s: float, error_s: float, verdict: str) -> None:
    check = judge_clock("clock:bob", Clock(offset_s=offset_s, error_s=error_s))
    assert check.verdict == verdict
    assert (verdict == "ok") == (not check.next)


async def _serve(date: Callable[[], str | None], *, task_status: trio.TaskStatus[int]) -> None:
    """An HTTP server that says a time of its own."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(4096)
            said = date()
            line = "" if said is None else f"Date: {said}\r\n"
            await stream.send_all(f"HTTP/1.1 200 OK\r\n{line}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(answer, listeners)


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0.0, "ok"), (10.0, "warn"), (-10.0, "warn"), (120.0, "fail"), (-120.0, "fail")]
)
async def test_a_peers_clock_is_read_off_its_answers(ahead_s: float, verdict: str) -> None:
    def date() -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)

    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(_serve, date))
        check = await check_clock(msgspec.structs.replace(BOB, url=f"http://127.0.0.1:{port}/"))
        clock = await read_clock(f"http://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()
    assert (check.name, check.verdict) == ("clock:bob", verdict)
    assert abs(clock.offset_s - ahead_s) <= clock.error_s
    assert ("chrony" in check.next) == (verdict != "ok")


@pytest.mark.parametrize(
    "said", [None, "yesterday", "Thu, 99 Foo 2026 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00", END_OF_TIME]
)
async def test_a_peer_that_does_not_say_its_time_is_a_warning(said: str | None) -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(_serve, lambda: said))
        check = await check_clock(msgspec.structs.replace(BOB, url=f"http://127.0.0.1:{port}"))
        nursery.cancel_scope.cancel()
    assert (check.verdict, "does not say its time" in check.message) == ("warn", True)


async def test_a_peer_whose_answer_never_ends_is_read_as_far_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "HTTP_DEADLINE_S", 1.5)
    is_silent = False

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            if is_silent:
                await trio.sleep_forever()
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\nDate: " + format_datetime(datetime.now(UTC), usegmt=True).encode()
            )
            await stream.send_all(b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            with suppress(trio.BrokenResourceError):
                while True:
                    await stream.send_all(b"400\r\n" + b"x" * 0x400 + b"\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, listeners)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        with trio.fail_after(20):
            check = await check_clock(msgspec.structs.replace(BOB, url=url))
            assert check.verdict == "ok"
            is_silent = True
            check = await check_clock(msgspec.structs.replace(BOB, url=url))
            assert check.verdict == "warn"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "", "http://[", "ftp://x", "http://x y"])
async def test_a_peer_that_is_not_reached_is_a_warning(url: str) -> None:
    check = await check_clock(msgspec.structs.replace(BOB, url=url))
    assert (check.verdict, "curl" in check.next) == ("warn", True)


async def test_all_peers_are_looked_at_together_and_told_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = trio.Event()
    at_once = 0

    async def ping(_key: str, _host: str, _port: int, *, deadline_s: float) -> float:
        nonlocal at_once
        at_once += 1
        if at_once == 3:
            waiting.set()
        with trio.fail_after(deadline_s):
            await waiting.wait()
        return 1.0

    async def read(_url: str) -> Clock:
        await trio.lowlevel.checkpoint()
        return Clock(offset_s=0.0, error_s=0.5)

    monkeypatch.setattr(peers, "ping_gossip", ping)
    monkeypatch.setattr(peers, "read_clock", read)
    three = tuple(msgspec.structs.replace(BOB, node=name) for name in ("cy", "ada", "bob"))
    found = await check_each(three, (LINK,), KEY)
    assert [check.name for check in found] == [
        f"{kind}:{node}" for node in ("cy", "ada", "bob") for kind in ("udp.gossip", "udp.media", "clock")
    ]
    assert {check.verdict for check in found} == {"ok"}
