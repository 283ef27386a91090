"""How long tokens are good for, and for how long a session is renewed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TokenLifetimes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLifetimes:
    """How long tokens live, in seconds.

    Attributes:
        user_s: a guest's user token; a day, so that a tab left open over night comes back.
        session_s: a session token; the node pushes a fresh one at half of it.
        room_s: a room token; it is redeemed at once.
        session_age_s: a session token with all that it was renewed to, from the first of them on: who was let in with a
            user token once, or stole a session token, has to sign in again.
    """

    user_s: float = 86_400.0
    session_s: float = 3_600.0
    room_s: float = 60.0
    session_age_s: float = 30 * 86_400.0

    def session_ends(self, now: float, born: float) -> int:
        """When a session token issued now expires, if the first of its line was issued at `born`; since 1970."""
        return int(min(now + self.session_s, born + self.session_age_s))

    def is_renewed(self, now: float, born: float) -> bool:
        """Whether a session is still given fresh tokens."""
        return now < born + self.session_age_s
