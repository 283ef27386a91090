"""What can be refused, under codes that never change.

A code is for programs and stays stable; the sentence beside it is for people, may change, and
says the next step where there is one. Raise :class:`Refused` where the one who asked is at fault
or must act; anything else is a builtin or the raising package's own error.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable codes of refusals, as clients and operators see them."""

    MALFORMED_MESSAGE = "malformed_message"
    MESSAGE_TOO_LARGE = "message_too_large"
    UNEXPECTED_MESSAGE = "unexpected_message"
    HELLO_TIMEOUT = "hello_timeout"
    PING_TIMEOUT = "ping_timeout"
    SLOW_CONSUMER = "slow_consumer"
    PROTOCOL_UNSUPPORTED = "protocol_unsupported"
    RATE_LIMITED = "rate_limited"
    TOKEN_INVALID = "token_invalid"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_FOREIGN = "token_foreign"
    NOT_PERMITTED = "not_permitted"
    LOGIN_INVALID = "login_invalid"
    PASSWORD_UNFIT = "password_unfit"
    CREDENTIALS_INVALID = "credentials_invalid"
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_UNKNOWN = "account_unknown"
    LOGGED_OUT = "logged_out"
    ORIGIN_REFUSED = "origin_refused"
    ROOM_INVALID = "room_invalid"
    ROOM_UNKNOWN = "room_unknown"
    ROOM_EXISTS = "room_exists"
    ROOM_FULL = "room_full"
    ROOMS_FULL = "rooms_full"
    TOO_MANY_ROOMS = "too_many_rooms"
    ROOM_LOCKED = "room_locked"
    ROOM_CHANGED = "room_changed"
    ROOM_ELSEWHERE = "room_elsewhere"
    ROOM_NOT_HERE = "room_not_here"
    REVISION_CONFLICT = "revision_conflict"
    INVITATION_REQUIRED = "invitation_required"
    INVITATION_INVALID = "invitation_invalid"
    INVITATION_UNKNOWN = "invitation_unknown"
    PIN_REQUIRED = "pin_required"
    PIN_WRONG = "pin_wrong"
    PARTICIPANT_UNKNOWN = "participant_unknown"
    NODE_FULL = "node_full"
    NODE_DRAINING = "node_draining"
    PARTICIPANT_UNREACHABLE = "participant_unreachable"
    NOT_IN_ROOM = "not_in_room"
    ALREADY_IN_ROOM = "already_in_room"
    ATTEMPT_STALE = "attempt_stale"
    SEAT_OCCUPIED = "seat_occupied"
    BANNED = "banned"
    REPLACED = "replaced"
    TRACK_UNKNOWN = "track_unknown"
    ALTERNATIVE_INVALID = "alternative_invalid"
    SDP_INVALID = "sdp_invalid"
    OFFER_STALE = "offer_stale"
    CODEC_UNSUPPORTED = "codec_unsupported"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INTERNAL_ERROR = "internal_error"

    @classmethod
    def known(cls, code: str) -> ErrorCode:
        """Give the code of that name; one that this version does not know is ``internal_error``."""
        return cls(code) if code in cls._value2member_map_ else cls.INTERNAL_ERROR


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a failure of ours
    """A request that was understood and turned down.

    Attributes:
        code: The stable code.
        message: One human sentence; names the next step where there is one. Never holds a token
            or an address of a client.
        retry_after_s: Seconds after which the same request may be taken, where that is known.
    """

    def __init__(self, code: ErrorCode, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class RevisionConflict(Refused):
    """Somebody else changed it first.

    Attributes:
        revision: Where it stands now.
    """

    def __init__(self, revision: int, message: str) -> None:
        super().__init__(ErrorCode.REVISION_CONFLICT, message)
        self.revision = revision


class RoomElsewhere(Refused):
    """Only a node on which the room lives can do this.

    Attributes:
        url: Where such a node is reached; empty when none is known.
    """

    def __init__(self, url: str, message: str) -> None:
        super().__init__(ErrorCode.ROOM_ELSEWHERE, message)
        self.url = url
