"""Why a node closes a client's WebSocket, as the number in the close frame.

4000-4999 is the range for applications (RFC 6455, section 7.4.2). Ours are 4000 + the HTTP status
that says the same, where there is one. The stable word beside the number is an
:class:`~signalling.errors.ErrorCode`; it is also the close reason, so that a browser, which hides
everything else about a closed socket, can tell.

========  =============================================  ==========================================
number    words                                          what a client does
========  =============================================  ==========================================
1000      (none: the client said goodbye)                nothing
4400      ``malformed_message``                          stop: it is a defect of the client
4401      ``token_invalid`` ``token_expired`` ...        get a new session token, connect again
4403      ``not_permitted`` ``logged_out`` ...           stop
4408      ``hello_timeout`` ``deadline_exceeded``        connect again
4409      ``replaced``                                   stop, and let the person decide
4410      ``ping_timeout``                               connect again
4413      ``message_too_large``                          stop: it is a defect of the client
4426      ``protocol_unsupported``                       stop: reload the page
4429      ``rate_limited``                               connect again, later
4430      ``slow_consumer``                              connect again
4500      anything else                                  connect again, here or elsewhere
4503      ``node_draining`` ``node_full`` ...            connect to the next candidate
========  =============================================  ==========================================
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from signalling.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSE_NORMAL: Final = 1000
"""The client left, or its probe is over."""

CLOSE_OTHER: Final = 4500
"""For every code without a row of its own."""

CLOSE_CODES: Final[Mapping[ErrorCode, int]] = MappingProxyType(
    {
        ErrorCode.MALFORMED_MESSAGE: 4400,
        ErrorCode.TOKEN_INVALID: 4401,
        ErrorCode.TOKEN_EXPIRED: 4401,
        ErrorCode.TOKEN_FOREIGN: 4401,
        ErrorCode.NOT_PERMITTED: 4403,
        ErrorCode.ORIGIN_REFUSED: 4403,
        ErrorCode.LOGGED_OUT: 4403,
        ErrorCode.HELLO_TIMEOUT: 4408,
        ErrorCode.DEADLINE_EXCEEDED: 4408,
        ErrorCode.REPLACED: 4409,
        ErrorCode.PING_TIMEOUT: 4410,
        ErrorCode.MESSAGE_TOO_LARGE: 4413,
        ErrorCode.PROTOCOL_UNSUPPORTED: 4426,
        ErrorCode.RATE_LIMITED: 4429,
        ErrorCode.SLOW_CONSUMER: 4430,
        ErrorCode.NODE_DRAINING: 4503,
        ErrorCode.NODE_FULL: 4503,
        ErrorCode.ENGINE_UNAVAILABLE: 4503,
    }
)


def close_code(code: ErrorCode | None) -> int:
    """Give the number for the close frame; ``None`` means that nothing was wrong."""
    if code is None:
        return CLOSE_NORMAL
    return CLOSE_CODES.get(code, CLOSE_OTHER)
