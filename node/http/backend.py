"""What the HTTP side asks of the rest of the node, and nothing else.

HTTP is a leaf: it turns sockets and requests into these calls, puts a deadline on each, and owns
no state of rooms or links. The conductor implements :class:`Backend`; tests put a fake in its place.

Every call may raise :class:`signalling.errors.Refused`, which reaches the client as it is. Any
other exception is logged and reaches the client as ``internal_error``. Every async call may be
cancelled at its deadline; the backend then treats its outcome as it would a lost answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from signalling.client.messages import (
    Answer,
    AskMute,
    Chat,
    ChatHistory,
    Hello,
    Join,
    Kick,
    Leave,
    LockRoom,
    Measured,
    Mute,
    NodeEvent,
    NodeReply,
    PinText,
    Prefer,
    Publish,
    TokenText,
    Trickle,
)
from signalling.ids import DeviceId, NodeId, ParticipantId, RoomId, SessionId, UserId

if TYPE_CHECKING:
    from node.explain import TrackExplained
    from node.http.candidates import CandidateQuery, NodeCandidate, PlacementExplained, SessionPlace
    from node.http.room_backend import RoomBackend
    from signalling.client.accounts import LoggedOut, LogIn, PasswordChange, Registration, UserGrant
    from signalling.client.admission import SessionGrant, SessionRequest
    from signalling.client.messages import ChatPage
    from signalling.errors import ErrorCode
    from signalling.ids import MessageId, TrackId

RoomRequest: TypeAlias = (
    Join
    | Leave
    | Publish
    | Answer
    | Trickle
    | Mute
    | Prefer
    | Chat
    | ChatHistory
    | Kick
    | AskMute
    | LockRoom
    | Measured
)
"""What a client asks once it has a session; the socket itself answers the rest."""

Reply: TypeAlias = Callable[[NodeReply], None]
"""Puts the one reply to a request into the socket's outbox, now, in order with the events.

The socket fills in the request's id. The first reply counts; one after the deadline is dropped.
"""

CloseCause: TypeAlias = Literal["gone", "ping_timeout", "slow_consumer", "protocol_error", "ended_by_node"]
"""Why a socket is over: closed by the client or broken (the two look alike), silent, too slow,
misbehaving, or ended by the node."""


class SessionSocket(Protocol):
    """The conductor's end of one WebSocket. Plain calls; after the socket's end they do nothing."""

    def send(self, event: NodeEvent) -> None:
        """Queue an event. A full outbox ends the socket with ``slow_consumer``."""

    def end(self, code: ErrorCode, message: str) -> None:
        """Say this as a last word and close; ``session_closed`` follows."""

    async def is_there(self, within_s: float) -> bool:
        """Ping the client; say whether it answered in time. A silent one is dropped with ``ping_timeout``.

        May be cancelled: the client is then dropped all the same if it stays silent.
        """
        ...


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/rooms/{room}/join``: the first of two steps to a seat."""

    attempt: int
    invitation: TokenText | None = None
    pin: PinText | None = None

    def __repr__(self) -> str:
        """Leave out what lets somebody in: requests end up in tracebacks."""
        return f"JoinRequest({self.attempt})"


class JoinGranted(msgspec.Struct, frozen=True, kw_only=True):
    """A room token; only the node that holds the session redeems it."""

    room_token: str
    room: RoomId
    participant: ParticipantId
    expires_in_s: float


class ReadinessProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One reason not to send clients here; ``part`` is ``engine``, ``mesh``, ``store``, ``node``."""

    part: str
    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedSession:
    """A session that now belongs to a socket: what ``welcome`` says, less what the socket knows itself.

    Attributes:
        session: Its id; every later call names it.
        user: Whose it is.
        device: The device that holds it.
        node: This node.
        region: Where it is.
        token: A fresh session token that names the session.
    """

    session: SessionId
    user: UserId
    device: DeviceId
    node: NodeId
    region: str
    token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One number for ``/metrics``.

    Attributes:
        name: Without the leading ``starling_``; ends in its unit, or in ``_total`` for a counter.
        kind: A counter only grows; a gauge is a state.
        help: One sentence.
        value: The number.
        labels: Few and bounded: never a user, a session or an address.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float
    labels: Mapping[str, str]

    @classmethod
    def gauge(cls, name: str, sentence: str, value: float, **labels: str) -> Sample:
        """Make one that is a state."""
        return cls(name=name, kind="gauge", help=sentence, value=value, labels=labels)

    @classmethod
    def counter(cls, name: str, sentence: str, value: float, **labels: str) -> Sample:
        """Make one that only grows; its name ends in ``_total``."""
        return cls(name=name, kind="counter", help=sentence, value=value, labels=labels)


class AccountBackend(Protocol):
    """Built-in accounts behind the HTTP side; off by default, and then everything is refused."""

    async def register(self, request: Registration) -> UserGrant:
        """Make an account and log in."""
        ...

    async def log_in(self, request: LogIn) -> UserGrant:
        """Turn login and password into a user token."""
        ...

    async def change_password(self, request: PasswordChange) -> UserGrant:
        """Change the password, log out everywhere, and log in."""
        ...

    async def log_out(self, user_token: str) -> LoggedOut:
        """Log the user of this token out everywhere."""
        ...


class Backend(Protocol):
    """The node behind the HTTP side."""

    @property
    def accounts(self) -> AccountBackend:
        """Built-in accounts."""
        ...

    @property
    def room_desk(self) -> RoomBackend:
        """Rooms, invitations, bans, and who is there."""
        ...

    # --- REST ---------------------------------------------------------------------------

    async def create_session(self, request: SessionRequest) -> SessionGrant:
        """Check a user token or admit a guest, and mint a session token."""
        ...

    async def join_token(self, session_token: str, room: RoomId, request: JoinRequest) -> JoinGranted:
        """Mint a room token for the session that ``session_token`` names."""
        ...

    async def chat_page(self, session_token: str, room: RoomId, *, before: MessageId | None, limit: int) -> ChatPage:
        """What was said in a room, for somebody whose session has a seat in it on this node."""
        ...

    async def candidates(self, query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        """Nodes for this client, best first."""
        ...

    async def session_place(
        self, query: CandidateQuery, wanted: SessionRequest, *, may_go: bool = True
    ) -> SessionPlace:
        """Where a client that asks this for a session is to have it; who cannot `may_go` is not sent on."""
        ...

    async def explain_placement(self, query: CandidateQuery) -> PlacementExplained:
        """Why the client is sent where it is."""
        ...

    async def explain_track(self, session_token: str, track: TrackId) -> TrackExplained:
        """How a track gets from who publishes it to people here, for somebody who sits in its room here."""
        ...

    async def samples(self) -> tuple[Sample, ...]:
        """Numbers for ``/metrics``, made from the services' statistics records."""
        ...

    def readiness(self) -> tuple[ReadinessProblem, ...]:
        """What speaks against new clients; empty means ready."""
        ...

    def degradations(self) -> tuple[ReadinessProblem, ...]:
        """What this node does without for now, and still takes clients."""
        ...

    def jwks(self) -> Mapping[str, object]:
        """The public cluster keys as a JWK set."""
        ...

    def member_urls(self) -> tuple[str, ...]:
        """Public URLs of the members: pages from there may talk to this node."""
        ...

    # --- WebSocket ----------------------------------------------------------------------

    async def open_session(self, hello: Hello, socket: SessionSocket) -> OpenedSession:
        """Check the session token, mint a session id, remember the socket.

        When it is cancelled or raises, no session is left behind and no ``session_closed`` follows.
        """
        ...

    async def handle(self, session: SessionId, request: RoomRequest, reply: Reply) -> None:
        """Carry out a request and call ``reply`` once; the socket sends one request at a time.

        Replying inside keeps the order right: what the owner of the state replied and then said
        to others reaches each socket in that order.
        """
        ...

    def session_closed(self, session: SessionId, cause: CloseCause) -> None:
        """The socket is gone. Called once for each opened session, also when the server stops."""
        ...
