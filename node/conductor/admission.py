"""Who may come in: the token chain, from a guest or a user token to a session and a room token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.http.backend import JoinGranted
from session.grants import ALL_BUT_ADMIN
from signalling.client.admission import SessionGrant, shown_name
from signalling.client.rooms import check_room_name
from signalling.errors import ErrorCode, Refused
from signalling.ids import (
    MAX_ATTEMPT,
    is_device_id,
    new_device_id,
    new_user_id,
    participant_id,
)

if TYPE_CHECKING:
    from node.conductor.entry import Passed
    from node.http.backend import JoinRequest
    from session import SessionRecord, Sessions, Tokens
    from session.tokens import RoomClaims, SessionClaims, UserClaims
    from signalling.client.admission import SessionRequest
    from signalling.client.messages import Join
    from signalling.ids import RoomId, SessionId

GUEST_NAME: Final = "Guest"


class Admission:
    """Checks and mints tokens, and opens sessions with them.

    Args:
        sessions: Mints session ids.
        tokens: Signs and verifies with the cluster's keys.
        session_url: Where a session token is to be taken.
        guests: Whether people without a user token may come in.
    """

    def __init__(self, *, sessions: Sessions, tokens: Tokens, session_url: str, guests: bool) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._session_url = session_url
        self._guests = guests

    @property
    def session_lifetime_s(self) -> float:
        """How long a session token is good for."""
        return self._tokens.lifetimes.session_s

    def create_session(self, request: SessionRequest, claims: UserClaims | None) -> SessionGrant:
        """Make a session token for whoever these claims of a user token name, or a guest.

        Raises:
            Refused: Guests are not taken, or the name or device is unfit.
        """
        name = shown_name(request.name)
        if request.device is not None and not is_device_id(request.device):
            raise Refused(
                ErrorCode.MALFORMED_MESSAGE,
                "A device id has 8 to 64 letters, digits, '_' or '-'; leave it out to get one.",
            )
        if claims is not None:
            user, name, account, grants = claims.user, name or claims.name, claims.account, claims.grants
        elif self._guests:
            user, name, account, grants = new_user_id(), name or GUEST_NAME, None, ALL_BUT_ADMIN
        else:
            raise Refused(ErrorCode.NOT_PERMITTED, "This node takes no guests; bring a user token from your service.")
        device = request.device or new_device_id()
        token = self._tokens.issue_session(user=user, device=device, name=name, account=account, grants=grants)
        return SessionGrant(
            token=token,
            session_url=self._session_url,
            user=user,
            device=device,
            expires_in_s=self.session_lifetime_s,
        )

    def open_session(self, claims: SessionClaims) -> tuple[SessionRecord, str]:
        """Mint a session for a socket that brought a token with these claims; returns it with a token that names it.

        Raises:
            Refused: This node takes no more sessions.
        """
        record = self._sessions.mint_session(claims)
        return record, self._name_session(record)

    def fresh_token(self, session: SessionId) -> str | None:
        """Make a newer token for a session that is open; None once it has been renewed for as long as it may.

        Its socket may stay: the call goes on, and whoever comes back later signs in again.
        """
        record = self._sessions.record(session)
        assert record is not None, "only open sessions age"
        if record.born is not None and not self._tokens.is_renewed(record.born):
            return None
        return self._name_session(record)

    def check_session_token(self, session_token: str) -> SessionClaims:
        """Say whose token this is.

        Raises:
            Refused: It does not hold.
        """
        return self._tokens.verify_session(session_token)

    def check_join_request(self, claims: SessionClaims, room: RoomId, request: JoinRequest) -> None:
        """Say whether a room token may be made for the session that a token with these claims names.

        Raises:
            Refused: The claims name no session, they do not allow this room, or the room's name or the attempt is
                unfit.
        """
        if claims.session is None:
            raise Refused(
                ErrorCode.TOKEN_INVALID,
                "This token names no session yet; connect the WebSocket and use the token of `welcome`.",
            )
        check_room_name(room)
        claims.grants.check_room(room)
        if not 1 <= request.attempt <= MAX_ATTEMPT:
            raise Refused(ErrorCode.MALFORMED_MESSAGE, "An attempt counts from 1; raise it before every join.")

    def join_token(self, claims: SessionClaims, room: RoomId, request: JoinRequest, passed: Passed) -> JoinGranted:
        """Mint a room token for a session that was checked and let in, whichever node holds it."""
        assert claims.session is not None, "checked"
        token = self._tokens.issue_room(
            room=room,
            user=claims.user,
            device=claims.device,
            name=claims.name,
            session=claims.session,
            attempt=request.attempt,
            grants=claims.grants,
            invitation=passed.invitation,
            checked=passed.revision,
        )
        return JoinGranted(
            room_token=token,
            room=room,
            participant=participant_id(room, claims.user, claims.device),
            expires_in_s=self._tokens.lifetimes.room_s,
        )

    def check_join(self, join: Join, record: SessionRecord) -> RoomClaims | None:
        """Check that a session may take the seat it asks for, and that its room token, if any, is for that seat.

        Returns what the room token says.

        Raises:
            Refused: It may not, or it is not.
        """
        record.grants.check_room(join.room)
        if join.room_token is None:
            return None
        claims = self._tokens.verify_room(join.room_token, session=record.session)
        if (claims.room, claims.attempt) != (join.room, join.attempt):
            raise Refused(ErrorCode.TOKEN_INVALID, "The room token is for another room or attempt; ask for a new one.")
        if (claims.user, claims.device) != (record.user, record.device):
            raise Refused(ErrorCode.TOKEN_INVALID, "The room token is for another user or device; ask for a new one.")
        if not claims.grants.is_within(record.grants, join.room):
            raise Refused(ErrorCode.NOT_PERMITTED, "The room token allows more than your session; ask for a new one.")
        return claims

    def _name_session(self, record: SessionRecord) -> str:
        return self._tokens.issue_session(
            user=record.user,
            device=record.device,
            name=record.name,
            session=record.session,
            account=record.account,
            grants=record.grants,
            born=record.born,
        )
