"""What a client of a node can meet: a refusal, a lost connection, a node that cannot be reached."""

from __future__ import annotations


class RefusedByNodeError(Exception):
    """The node understood and said no.

    Attributes:
        code: The stable code; one that this version does not know is passed on as it is.
        message: The node's sentence.
        highest_attempt: With ``attempt_stale``: the greatest attempt that the node knows of this device.
        retry_after_s: Seconds after which the node may say yes, where it said so.
    """

    def __init__(
        self,
        code: str,
        message: str,
        highest_attempt: int | None = None,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.highest_attempt = highest_attempt
        self.retry_after_s = retry_after_s


class ConnectionLostError(ConnectionError):
    """The WebSocket is gone, by whoever's doing.

    Attributes:
        close_code: The number in the close frame (:mod:`signalling.client.closing`), 1006 without one.
        code: The stable code that came with it, empty without one.
    """

    def __init__(self, close_code: int, code: str) -> None:
        super().__init__(f"the connection closed with {close_code} {code}".rstrip())
        self.close_code = close_code
        self.code = code


class NodeUnreachableError(ConnectionError):
    """No connection came about: refused, no route, no TLS, no node at that address, or no time."""
