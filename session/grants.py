"""What the bearer of a token may do, carried from user token to session token to room token.

Each step of the chain takes over what the step before allowed, never more: a session gets the grants of
its user, a room token those of its session, for that one room. A token that names no grants, as all of
guests and of built-in accounts, allows everything but administration, in every room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from signalling.ids import RoomId

__all__ = ["ALL_BUT_ADMIN", "MAX_PATTERN_LENGTH", "Grants", "is_room_pattern", "matches"]

MAX_PATTERN_LENGTH: Final = 128
"""Twice the longest room name: nothing longer can say more about one."""


class Grants(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a token allows.

    A name that is not known here is refused rather than ignored: a misspelt restriction must not pass for none.

    Attributes:
        join: make rooms and take a seat in them.
        publish: send sound and pictures.
        subscribe: receive sound, pictures and data messages.
        publish_data: send data messages and say something in the chat; whoever may not still reads along.
        admin: moderate the rooms, as their owner may.
        rooms: the rooms that all of this is about: a name in which `*` stands for any characters.
    """

    join: bool = True
    publish: bool = True
    subscribe: bool = True
    publish_data: bool = True
    admin: bool = False
    rooms: str = "*"

    def allows_room(self, room: RoomId) -> bool:
        """Say whether the bearer may make or join this room."""
        return self.join and matches(self.rooms, room)

    def check_room(self, room: RoomId) -> None:
        """Refuse a room that the bearer may not make or join.

        Raises:
            Refused: `not_permitted`.
        """
        if not self.join:
            raise Refused(ErrorCode.NOT_PERMITTED, "Your token does not allow to join rooms; ask its issuer for one.")
        if not matches(self.rooms, room):
            raise Refused(
                ErrorCode.NOT_PERMITTED,
                "Your token is for other rooms; join one that it names, or ask its issuer for another.",
            )

    def for_room(self, room: RoomId) -> Grants:
        """The same grants for one room alone."""
        return msgspec.structs.replace(self, rooms=room)

    def is_within(self, wider: Grants, room: RoomId) -> bool:
        """Say whether these grants allow nothing in that room that `wider` does not."""
        return (
            self.join <= wider.join
            and self.publish <= wider.publish
            and self.subscribe <= wider.subscribe
            and self.publish_data <= wider.publish_data
            and self.admin <= wider.admin
            and matches(wider.rooms, room)
        )


ALL_BUT_ADMIN: Final = Grants()
"""What a token allows that names no grants."""


def is_room_pattern(text: str) -> bool:
    """Say whether a token may name rooms so."""
    return 1 <= len(text) <= MAX_PATTERN_LENGTH and text.isascii() and text.isprintable()


def matches(pattern: str, name: str) -> bool:
    """Say whether `name` fits `pattern`, in which `*` stands for any characters, also none.

    Each piece between two stars is looked for once, from the left, behind the piece before it: the first
    place that fits is as good as any later one. So there is no going back, and a hostile pattern of
    many stars costs no more than a plain one.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *inner, last = rest
    if not name.startswith(first):
        return False
    place = len(first)
    for piece in inner:
        found = name.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return len(name) - len(last) >= place and name.endswith(last)
