"""What all resources share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
from quart import request

from node.http.client_address import PROXY_HEADERS, TrustedProxies, limit_key
from node.http.connection import ConnectionCounters
from node.http.origins import Origins
from signalling.errors import ErrorCode, Refused
from signalling.keyed_pace import KeyedPace

if TYPE_CHECKING:
    from node.config import HttpConfig
    from node.http.backend import Backend
    from node.http.guard import Guard


@dataclass(kw_only=True)
class Api:
    """The backend and the bounds that resources ask it under.

    Attributes:
        backend: Who answers.
        config: Bounds and deadlines.
        public_url: Where this node is reached.
        origins: Which pages may talk to it.
        proxies: Who may say whose request it is.
        session_pace: How fast an address may open sessions.
        account_pace: How fast an address may register and log in.
        change_pace: How fast an address may change rooms.
        placement_pace: How fast an address may ask for nodes.
        connections: What the WebSockets did.
        guard: Counts connections, once the server runs.
        stopping: Set when the server goes away.
    """

    backend: Backend
    config: HttpConfig
    public_url: str
    origins: Origins
    proxies: TrustedProxies
    session_pace: KeyedPace
    account_pace: KeyedPace
    change_pace: KeyedPace
    placement_pace: KeyedPace
    connections: ConnectionCounters = field(default_factory=ConnectionCounters)
    guard: Guard | None = None
    stopping: trio.Event = field(default_factory=trio.Event)

    def spend(self, pace: KeyedPace, what: str) -> None:
        """Take one token of the client's address.

        Args:
            pace: Of which pace.
            what: What there are too many of, for the sentence.

        Raises:
            Refused: ``rate_limited``, with the seconds until there is one.
        """
        key, now = self.client_key(), trio.current_time()
        if not pace.take(key, now):
            wait_s = math.ceil(pace.wait_s(key, now))
            raise Refused(
                ErrorCode.RATE_LIMITED,
                f"Too many {what} from this address; try again in {wait_s} s.",
                retry_after_s=wait_s,
            )

    def client_key(self) -> str:
        """Say whose request this is, in a form that one client cannot easily vary. Never log it."""
        return limit_key(self.client_address())

    def client_address(self) -> str:
        """Say from which address this request is, as far as proxies can be trusted. Never log it."""
        peer = (request.scope.get("client") or ("",))[0]
        # A header may come in several lines, which count as one (RFC 9110, section 5.2).
        lines = {name: request.headers.getlist(name) for name in PROXY_HEADERS}
        headers = {name: ", ".join(values) for name, values in lines.items() if values}
        return self.proxies.client(peer, headers)


def make_api(backend: Backend, config: HttpConfig, public_url: str) -> Api:
    """Put the shared parts together."""
    return Api(
        backend=backend,
        config=config,
        public_url=public_url,
        origins=Origins(configured=(public_url, *config.allowed_origins), member_urls=backend.member_urls),
        proxies=TrustedProxies(config.trusted_proxies),
        session_pace=KeyedPace(rate_per_s=config.sessions_per_minute / 60, burst=config.sessions_burst),
        account_pace=KeyedPace(rate_per_s=config.logins_per_minute / 60, burst=config.logins_burst),
        change_pace=KeyedPace(rate_per_s=config.changes_per_minute / 60, burst=config.changes_burst),
        placement_pace=KeyedPace(rate_per_s=config.placements_per_minute / 60, burst=config.placements_burst),
    )
