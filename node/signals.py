"""What the signals of the system do to a node: stop it, stop it now, have it read files again."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from membership import GossipSetupError
from node.errors import NodeStartError
from node.http.tls import CertificateError
from session import SessionSetupError

if TYPE_CHECKING:
    from node.service import RunningNode

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass
class Watch:
    """What the signal watcher needs to know of the node."""

    node: RunningNode | None = None


async def watch_signals(stop: trio.Event, everything: trio.CancelScope, *, task_status: trio.TaskStatus[Watch]) -> None:
    """Do what signals ask for; runs until cancelled.

    The first SIGTERM or SIGINT sets `stop`: the node is drained and ends in good order. The second, or the first of a
    node that does not serve yet, cancels `everything`: nobody is moved or waited for any more, and services end as they
    do when cancelled, under deadlines of their own. SIGHUP reads files again.
    """
    watch = Watch()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started(watch)
        async for number in signals:
            if number == signal.SIGHUP:
                _reload_certificate(watch.node)
                _reload_api_keys(watch.node)
                _reload_revoked_keys(watch.node)
                await _reload_places(watch.node)
            elif watch.node is None or stop.is_set():
                everything.cancel()
            else:
                stop.set()


def terminate_self() -> None:
    """End this process as SIGTERM does, in the same good order."""
    signal.raise_signal(signal.SIGTERM)


def _reload_certificate(node: RunningNode | None) -> None:
    if node is None or node.http.tls is None:
        return
    try:
        node.http.tls.reload()
    except CertificateError as error:
        log.error("certificate_kept", reason=error.message)
    else:
        log.info("certificate_reloaded")


def _reload_api_keys(node: RunningNode | None) -> None:
    if node is None:
        return
    try:
        node.api_keys.reload()
    except SessionSetupError as error:
        log.error("api_keys_kept", reason=error.message)
    else:
        log.info("api_keys_reloaded", keys=len(node.api_keys.by_id))


def _reload_revoked_keys(node: RunningNode | None) -> None:
    if node is None or node.membership is None:
        return
    try:
        node.membership.reload_revoked_keys()
    except GossipSetupError as error:
        log.error("revoked_keys_kept", reason=error.message)
    else:
        log.info("revoked_keys_reloaded")


async def _reload_places(node: RunningNode | None) -> None:
    if node is None or node.places is None:
        return
    try:
        await node.places.reload()
    except NodeStartError as error:
        log.error("geoip_kept", reason=error.message)
    else:
        log.info("geoip_reloaded")
