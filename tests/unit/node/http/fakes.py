"""A backend that answers from a script, and a real server around it."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import trio

from node.config import HttpConfig
from node.explain import TrackExplained, TrackStep
from node.http.api import make_api
from node.http.app import build_app
from node.http.backend import (
    JoinGranted,
    OpenedSession,
    Sample,
)
from node.http.candidates import NodeCandidate, PlacementExplained, SessionPlace
from node.http.server import HttpServer, bind, open_http_server
from signalling.client.accounts import LoggedOut, LogIn, PasswordChange, Registration, UserGrant
from signalling.client.admission import SessionGrant, SessionRequest
from signalling.client.messages import Chat, ChatPage, ChatSent, Join, Joined, Ok, ParticipantLeft
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, MessageId, NodeId, ParticipantId, RoomId, SessionId, TrackId, UserId
from tests.unit.node.http.fake_rooms import FakeRooms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from node.http.app import NodeApp
    from node.http.backend import (
        Backend,
        CloseCause,
        JoinRequest,
        ReadinessProblem,
        Reply,
        RoomRequest,
        SessionSocket,
    )
    from node.http.candidates import CandidateQuery
    from signalling.client.messages import Hello

GOOD_TOKEN = "good-session-token"

FIRST = SessionId("session-0")
"""The first session that a fake backend opens."""


@dataclass
class FakeBackend:
    """Keeps what it was asked; ``delay_s`` makes it slow, ``failure`` makes it fail."""

    delay_s: float = 0.0
    failure: Exception | None = None
    problems: tuple[ReadinessProblem, ...] = ()
    missing: tuple[ReadinessProblem, ...] = ()
    urls: tuple[str, ...] = ()
    place: SessionPlace = field(default_factory=SessionPlace)
    asked: list[object] = field(default_factory=list)
    placed: list[CandidateQuery] = field(default_factory=list)
    sockets: dict[SessionId, SessionSocket] = field(default_factory=dict)
    closed: list[tuple[SessionId, CloseCause]] = field(default_factory=list)

    @property
    def accounts(self) -> FakeBackend:
        return self

    async def register(self, request: Registration) -> UserGrant:
        return await self._user(request)

    async def log_in(self, request: LogIn) -> UserGrant:
        return await self._user(request)

    async def change_password(self, request: PasswordChange) -> UserGrant:
        return await self._user(request)

    async def log_out(self, user_token: str) -> LoggedOut:
        await self._answer("log out", user_token)
        return LoggedOut(sessions_ended=2)

    @property
    def room_desk(self) -> FakeRooms:
        return FakeRooms(self._answer)

    async def _user(self, request: Registration | LogIn | PasswordChange) -> UserGrant:
        await self._answer(request)
        return UserGrant(token=GOOD_TOKEN, user=UserId("us_1"), login="ann", name="Ann", expires_in_s=60.0)

    async def _answer(self, asked: object, token: str = GOOD_TOKEN) -> None:
        self.asked.append(asked)
        await trio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        if token != GOOD_TOKEN:
            raise Refused(ErrorCode.TOKEN_INVALID, "The token is not valid; get a new one.")

    async def create_session(self, request: SessionRequest) -> SessionGrant:
        await self._answer(request)
        return SessionGrant(
            token=GOOD_TOKEN,
            session_url="ws://127.0.0.1/v1/session",
            user=UserId("us_1"),
            device=request.device or DeviceId("de_12345678"),
            expires_in_s=3600.0,
        )

    async def join_token(self, session_token: str, room: RoomId, request: JoinRequest) -> JoinGranted:
        await self._answer((room, request), session_token)
        return JoinGranted(
            room_token="room-token",
            room=room,
            participant=ParticipantId("pa_1"),
            expires_in_s=60.0,
        )

    async def chat_page(self, session_token: str, room: RoomId, *, before: MessageId | None, limit: int) -> ChatPage:
        await self._answer(("chat page", room, before, limit), session_token)
        return ChatPage(messages=(), more=False)

    async def candidates(self, query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        await self._answer(query)
        return (
            NodeCandidate(
                node=NodeId("a"),
                url="http://127.0.0.1",
                region="local",
                latitude=None,
                longitude=None,
                load="low",
                rtt_ms=None,
                why=("position of the client is unknown",),
            ),
        )

    async def session_place(
        self, query: CandidateQuery, wanted: SessionRequest, *, may_go: bool = True
    ) -> SessionPlace:
        await trio.lowlevel.checkpoint()
        self.placed.append(query)
        return self.place

    async def explain_track(self, session_token: str, track: TrackId) -> TrackExplained:
        if session_token != GOOD_TOKEN or track != "t-1":
            raise Refused(ErrorCode.TRACK_UNKNOWN, "No such track.")
        return TrackExplained(
            trace="ab",
            track=track,
            room=RoomId("lobby"),
            publisher=ParticipantId("anna"),
            origin=NodeId("here"),
            asked=NodeId("here"),
            kind="video",
            codec="VP8",
            steps=(TrackStep(kind="publisher", sender="anna", receiver="here", rtt_ms=20.0),),
            receivers=(),
            missing="",
            verdict="anna -> here",
        )

    async def explain_placement(self, query: CandidateQuery) -> PlacementExplained:
        return PlacementExplained(
            asked=NodeId("a"),
            position=None,
            measured=query.rtts_ms,
            room=query.room,
            room_nodes=(),
            residency=query.residency,
            verdict="a, because it is the only one.",
            nodes=await self.candidates(query),
            left_out=(),
            ways=(),
        )

    async def samples(self) -> tuple[Sample, ...]:
        return (
            Sample(name="rooms", kind="gauge", help="Rooms here.", value=2, labels={}),
            Sample(name="joins_total", kind="counter", help="Joins.", value=3, labels={"how": "first"}),
            Sample(name="joins_total", kind="counter", help="Joins.", value=4, labels={"how": "again"}),
        )

    def readiness(self) -> tuple[ReadinessProblem, ...]:
        return self.problems

    def degradations(self) -> tuple[ReadinessProblem, ...]:
        return self.missing

    def jwks(self) -> Mapping[str, object]:
        return {"keys": []}

    def member_urls(self) -> tuple[str, ...]:
        return self.urls

    async def open_session(self, hello: Hello, socket: SessionSocket) -> OpenedSession:
        await self._answer(hello, hello.token)
        session = SessionId(f"session-{len(self.sockets)}")
        self.sockets[session] = socket
        return OpenedSession(
            session=session,
            user=UserId("us_1"),
            device=DeviceId("de_12345678"),
            node=NodeId("a"),
            region="local",
            token="fresh-token",
        )

    async def handle(self, session: SessionId, request: RoomRequest, reply: Reply) -> None:
        await self._answer(request)
        match request:
            case Join():
                participant = ParticipantId("pa_1")
                reply(Joined(room=request.room, participant=participant, participants=(), degraded=False, epoch=1))
                # Said after the reply, so it must arrive after it.
                self.sockets[session].send(ParticipantLeft(participant=ParticipantId("pa_2"), reason="left"))
            case Chat():
                reply(ChatSent(message=MessageId("me_1"), at_ms=1))
            case _:
                reply(Ok())

    def session_closed(self, session: SessionId, cause: CloseCause) -> None:
        self.closed.append((session, cause))


def make_app(backend: Backend, web_root: Path, **http: object) -> NodeApp:
    """The application alone, for Quart's test client."""
    config = msgspec.convert(http, HttpConfig)
    return build_app(make_api(backend, config, "http://node.test:8080"), web_root=web_root)


@asynccontextmanager
async def serving(backend: Backend, web_root: Path, **http: object) -> AsyncIterator[HttpServer]:
    """A real server on a free port of loopback."""
    config = msgspec.convert({"port": 0, **http}, HttpConfig)
    api = make_api(backend, config, "http://node.test:8080")
    listener = bind(config.address, config.port)
    async with open_http_server(build_app(api, web_root=web_root), config, listener, stopping=api.stopping) as server:
        yield server


async def connect(port: int, *, receive_buffer: int | None = None) -> trio.SocketStream:
    """Open a TCP connection; a small receive buffer makes a reader that is quickly stuck."""
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, and read until the server closes; a reset counts as a close."""
    answer = b""
    stream = await connect(port)
    async with stream:
        with trio.fail_after(5):
            try:
                await stream.send_all(data)
                while True:
                    part = await stream.receive_some(65536)
                    if not part:
                        break
                    answer += part
            except trio.BrokenResourceError:
                pass
    return answer


async def is_healthy(port: int) -> bool:
    """Whether a well-behaved client is served."""
    answer = await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return answer.startswith(b"HTTP/1.1 200")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another task or the other end of a socket brings about."""
    while not condition():  # noqa: ASYNC110 - the fact is the server's, and it keeps no event for us
        await trio.sleep(0.01)
