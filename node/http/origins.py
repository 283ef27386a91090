"""Which web pages may talk to this node.

A page comes from one node and talks to another, so the origins allowed are the own one, those of
the members' public URLs, and configured ones; the same for REST (CORS) and for WebSockets, which
browsers send anywhere. Programs that are no browsers send no ``Origin`` and are not concerned.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PREFLIGHT_CACHE_S: Final = 7200
"""The longest that Chromium keeps a preflight's answer."""

CORS_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
CORS_HEADERS: Final = "authorization, content-type, if-match, if-none-match"
CORS_EXPOSED: Final = "ETag, Location, Retry-After"

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Origins:
    """Decides about ``Origin`` headers.

    Args:
        configured: URLs whose origins are always allowed.
        member_urls: Gives the members' public URLs now.
    """

    def __init__(self, *, configured: Iterable[str], member_urls: Callable[[], Iterable[str]]) -> None:
        self._configured = frozenset(filter(None, map(origin_of, configured)))
        self._member_urls = member_urls

    def is_allowed(self, origin: str, host: str) -> bool:
        """Say whether a page of ``origin`` may send a request whose ``Host`` header is ``host``.

        Own is what the request itself was sent to. A name in ``Host`` proves nothing, as anybody
        can point a name of theirs here; so own pages are recognised by a numeric address or
        ``localhost`` alone, and every name has to be a public URL or configured.
        """
        wanted = origin_of(origin)
        if wanted is None:
            return False
        members = [member for member in map(origin_of, self._member_urls()) if member is not None]
        if wanted in self._configured or wanted in members:
            return True
        own = origin_of(f"{urlsplit(wanted).scheme}://{host}")
        if own is not None and wanted == own and _is_unforgeable(wanted):
            return True
        # `starling up` prints 127.0.0.1, and people type localhost: both are this machine, at one port.
        port = _loopback_port(wanted)
        return port is not None and port in {_loopback_port(known) for known in (*members, own) if known is not None}


def origin_of(url: str) -> str | None:
    """Give scheme, host and explicit port of a URL, in lower case; ``None`` if it has none."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or DEFAULT_PORTS[parts.scheme]}"


def _loopback_port(origin: str) -> int | None:
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        return parts.port if host == "localhost" or ipaddress.ip_address(host).is_loopback else None
    except ValueError:
        return None


def _is_unforgeable(origin: str) -> bool:
    host = urlsplit(origin).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
