"""What signals do to a node, by the signals themselves, sent to this process while the watcher has them."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from membership import GossipSetupError
from node.errors import NodeStartError
from node.http.tls import CertificateError
from node.signals import terminate_self, watch_signals
from session import SessionSetupError

if TYPE_CHECKING:
    from node.service import RunningNode


@dataclass
class File:
    """Something that is read again; ``fails`` is what it then raises."""

    fails: Exception | None = None
    read: int = 0
    by_id: dict[str, str] = field(default_factory=dict)

    def reload(self) -> None:
        self.read += 1
        if self.fails is not None:
            raise self.fails

    reload_revoked_keys = reload


@dataclass
class Places(File):
    async def reload(self) -> None:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        super().reload()


@dataclass
class Http:
    tls: File | None


@dataclass
class Node:
    http: Http
    api_keys: File
    membership: File | None
    places: Places | None


async def _hang_up(node: Node | None) -> list[str]:
    """Send SIGHUP and SIGTERM; returns what was logged until the second was heard."""
    stop, everything = trio.Event(), trio.CancelScope()
    with structlog.testing.capture_logs() as said, everything:
        async with trio.open_nursery() as nursery:
            watch = await nursery.start(watch_signals, stop, everything)
            watch.node = cast("RunningNode | None", node)
            signal.raise_signal(signal.SIGHUP)
            terminate_self()
            await wait_all_tasks_blocked()
            if node is not None:
                assert stop.is_set(), "the watcher lives on"
            nursery.cancel_scope.cancel()
    assert everything.cancelled_caught == (node is None)
    return [line["event"] for line in said]


async def test_sighup_has_every_file_read_again() -> None:
    files = [File(), File(), File(), Places()]
    node = Node(http=Http(files[0]), api_keys=files[1], membership=files[2], places=cast("Places", files[3]))
    said = await _hang_up(node)
    assert said == ["certificate_reloaded", "api_keys_reloaded", "revoked_keys_reloaded", "geoip_reloaded"]
    assert [one.read for one in files] == [1, 1, 1, 1]


async def test_a_file_that_cannot_be_used_keeps_no_other_from_being_read() -> None:
    node = Node(
        http=Http(File(CertificateError("bad"))),
        api_keys=File(SessionSetupError("bad", "bad")),
        membership=File(GossipSetupError("bad", "bad")),
        places=Places(NodeStartError("geoip_unreadable", "bad")),
    )
    assert await _hang_up(node) == ["certificate_kept", "api_keys_kept", "revoked_keys_kept", "geoip_kept"]


async def test_what_a_node_does_not_have_is_not_read() -> None:
    assert await _hang_up(Node(http=Http(None), api_keys=File(), membership=None, places=None)) == ["api_keys_reloaded"]
    assert await _hang_up(None) == [], "it starts yet; then a stop is at once"


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
async def test_the_second_stop_is_at_once(second: Any) -> None:
    stop, everything = trio.Event(), trio.CancelScope()
    with everything:
        async with trio.open_nursery() as nursery:
            watch = await nursery.start(watch_signals, stop, everything)
            watch.node = cast("RunningNode", Node(http=Http(None), api_keys=File(), membership=None, places=None))
            terminate_self()
            await stop.wait()
            assert not everything.cancel_called
            signal.raise_signal(second)
            await trio.sleep_forever()
    assert everything.cancelled_caught
