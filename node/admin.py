"""A private listener for the command line, on loopback, for who can read the data folder.

A client connects, sends one line of JSON with the token out of ``admin.json`` and a question, and
gets one line of JSON back. Port and token are new at every start.
"""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, TypeVar

import msgspec
import structlog
import trio
from msgspec import Meta

from membership import MemberState
from node.account_orders import AccountAnswer, AccountOrder, carry_out
from node.conductor.distances import rtts_now
from node.errors import EXIT_NOT_RUNNING, NodeStartError
from node.lifecycle_orders import NodeAnswer, NodeOrder, carry_out_order
from node.mesh_orders import HistoryAnswer, KeysAnswer, MeshOrder, carry_out_keys, read_history
from node.private_files import read_private, write_private
from relay.link_peer import node_of_link
from sfu import EngineLostError
from signalling.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from membership import ClusterView, Membership, RttMatrix, ViewMember
    from node.audit import Auditor, AuditReport
    from node.conductor import Conductor
    from node.config import Config
    from node.drain import Drainer
    from node.http.backend import ReadinessProblem
    from relay import Relay
    from sfu import Engine

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ADMIN_FILE: Final = "admin.json"

LOOPBACK: Final = "127.0.0.1"

MAX_QUESTION_BYTES: Final = 4096
"""The longest password and name in JSON, and room to spare."""

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""A thousand members take half a megabyte."""

DEADLINE_S: Final = 5.0
"""For one question, from the connection to the answer."""

KEYS_DEADLINE_S: Final = 60.0
"""For a rotation: three changes and two reports, each up to 10 s where agents do not answer."""

MAX_CONNECTIONS: Final = 16
"""People and their scripts; a question takes milliseconds."""

Topic: TypeAlias = Literal["status", "members", "links", "audit", "accounts", "keys", "history", "node"]

_Answer = TypeVar("_Answer")


class AdminFile(msgspec.Struct, frozen=True, kw_only=True):
    """Where the listener is."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    token: str
    pid: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One line to the node."""

    token: str
    topic: Topic
    order: AccountOrder = AccountOrder(action="list")
    mesh_order: MeshOrder = MeshOrder()
    node_order: NodeOrder = NodeOrder()


_FIELD_OF: Final = MappingProxyType({AccountOrder: "order", MeshOrder: "mesh_order", NodeOrder: "node_order"})


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be."""

    part: str
    code: str
    message: str


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """This node: what keeps it from taking people, and what its operator should look at."""

    node: str
    cluster: str
    region: str
    url: str
    pid: int
    mesh: bool
    ready: bool
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


class MemberReport(msgspec.Struct, frozen=True, kw_only=True):
    """One member of the cluster, as this node sees it.

    ``state`` is ``alive``, ``ineligible``, ``draining``, ``failed``, ``left`` or ``refused``; ``reason`` says why a
    member is refused. ``rtt_ms`` is an estimate from network coordinates, ``public_key`` the node's key in base64url.
    """

    node: str
    state: str
    public_key: str = ""
    region: str = ""
    url: str = ""
    address: str = ""
    load: str = ""
    latitude: float | None = None
    longitude: float | None = None
    rtt_ms: float | None = None
    me: bool = False
    reason: str = ""


class LinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """One link to another node; bytes are RTP with its header since the link came up."""

    node: str
    state: str
    rtt_ms: float | None
    jitter_ms: float | None
    loss: float | None
    setup_ms: float | None
    age_s: float
    bytes_in: int
    bytes_out: int
    reason: str


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster."""

    members: tuple[MemberReport, ...]


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The links of this node."""

    links: tuple[LinkReport, ...]


@dataclass(frozen=True, kw_only=True)
class AdminDesk:
    """Answers questions about the running node."""

    config: Config
    url: str
    conductor: Conductor
    engine: Engine
    membership: Membership | None
    relay: Relay | None
    alone: ClusterView
    auditor: Auditor
    drainer: Drainer

    async def answer(
        self, question: Question
    ) -> StatusReport | Members | Links | AuditReport | AccountAnswer | KeysAnswer | HistoryAnswer | NodeAnswer:
        """Say how things are now, or do what is ordered."""
        match question.topic:
            case "status":
                return self._status()
            case "members":
                return await self._members()
            case "links":
                return await self._links()
            case "audit":
                return await self.auditor.audit()
            case "accounts":
                return await carry_out(self.conductor.accounts, question.order)
            case "keys":
                return await carry_out_keys(self.membership, question.mesh_order)
            case "history":
                return read_history(self.membership, question.mesh_order)
            case "node":
                return await carry_out_order(NodeId(self.config.node.id), self.drainer, question.node_order)

    def _status(self) -> StatusReport:
        problems = self.conductor.readiness()
        return StatusReport(
            node=self.config.node.id,
            cluster=self.config.node.cluster,
            region=self.config.node.region,
            url=self.url,
            pid=os.getpid(),
            mesh=self.membership is not None,
            ready=not problems,
            problems=tuple(_problem(one) for one in problems),
            warnings=tuple(_problem(one) for one in self.conductor.warnings()),
        )

    async def _members(self) -> Members:
        view = self.alone if self.membership is None else self.membership.view
        rtts = None if self.membership is None else rtts_now(self.membership, self.relay)
        known = [
            MemberReport(
                node=node_id,
                state=_state_of(member),
                public_key=urlsafe_b64encode(member.tags.public_key).decode().rstrip("="),
                region=member.tags.region,
                url=member.tags.public_url,
                address=f"{member.address}:{member.port}" if self.membership is not None else "",
                load=member.tags.load.name.lower(),
                latitude=member.tags.latitude,
                longitude=member.tags.longitude,
                rtt_ms=_rtt_ms(rtts, view.own_id, node_id),
                me=node_id == view.own_id,
            )
            for node_id, member in sorted(view.members.items())
        ]
        refused = [
            MemberReport(
                node=member.serf_name,
                state="refused",
                address=f"{member.address}:{member.port}",
                reason=f"{member.code}: {member.message}",
            )
            for member in view.unusable
            if member.state is not MemberState.LEFT
        ]
        return Members(members=(*known, *refused))

    async def _links(self) -> Links:
        statuses = () if self.relay is None else self.relay.snapshot()
        carried = await self._carried() if statuses else {}
        return Links(
            links=tuple(
                LinkReport(
                    node=one.node,
                    state=str(one.state),
                    rtt_ms=one.rtt_ms,
                    jitter_ms=one.jitter_ms,
                    loss=one.loss,
                    setup_ms=one.setup_ms,
                    age_s=one.age_s,
                    bytes_in=carried.get(one.node, (0, 0))[0],
                    bytes_out=carried.get(one.node, (0, 0))[1],
                    reason=one.reason,
                )
                for one in statuses
            )
        )

    async def _carried(self) -> dict[NodeId, tuple[int, int]]:
        """Bytes in and out by the node at the far end; nothing while the engine is being replaced."""
        try:
            statistics = await self.engine.statistics()
        except EngineLostError:
            return {}
        carried: dict[NodeId, tuple[int, int]] = {}
        for peer in statistics.peers:
            node = node_of_link(peer.peer)
            if node is not None:
                before = carried.get(node, (0, 0))
                carried[node] = before[0] + peer.bytes_in, before[1] + peer.bytes_out
        return carried


def _rtt_ms(rtts: RttMatrix | None, me: NodeId, node: NodeId) -> float | None:
    known = None if rtts is None or node == me else rtts.between(me, node)
    return None if known is None else known.rtt_ms


def _state_of(member: ViewMember) -> str:
    if member.state is not MemberState.ALIVE or member.takes_clients:
        return member.state.value
    return "ineligible" if member.is_serving else "draining"


def _problem(found: ReadinessProblem) -> Problem:
    return Problem(part=found.part, code=found.code, message=found.message)


@asynccontextmanager
async def open_admin(data_dir: Path, desk: AdminDesk) -> AsyncIterator[None]:
    """Answer questions for the length of the block."""
    path = data_dir / ADMIN_FILE
    token = secrets.token_urlsafe(32)
    listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
    port = listeners[0].socket.getsockname()[1]
    write_private(path, msgspec.json.encode(AdminFile(port=port, token=token, pid=os.getpid())))
    limit = trio.CapacityLimiter(MAX_CONNECTIONS)

    async def serve(stream: trio.SocketStream) -> None:
        await _serve(stream, desk, token, limit)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, listeners)
            yield
            nursery.cancel_scope.cancel()
    finally:
        path.unlink(missing_ok=True)


async def _serve(stream: trio.SocketStream, desk: AdminDesk, token: str, limit: trio.CapacityLimiter) -> None:
    with trio.move_on_after(DEADLINE_S) as patience:
        async with stream, limit:
            try:
                question = msgspec.json.decode(await _read_line(stream, MAX_QUESTION_BYTES), type=Question)
                if hmac.compare_digest(question.token.encode(), token.encode()):
                    patience.deadline = trio.current_time() + _deadline_s(question.topic)
                    await stream.send_all(msgspec.json.encode(await desk.answer(question)) + b"\n")
            except (msgspec.DecodeError, ValueError, trio.BrokenResourceError):
                return
            except Exception:
                log.exception("admin_question_failed")


def _deadline_s(topic: Topic) -> float:
    return KEYS_DEADLINE_S if topic == "keys" else DEADLINE_S


async def ask_node(
    data_dir: Path, topic: Topic, kind: type[_Answer], order: AccountOrder | MeshOrder | NodeOrder | None = None
) -> _Answer:
    """Ask the node that runs in this data folder; an order goes with `accounts`, `keys`, `history` and `node`.

    Raises:
        NodeStartError: ``not_running``: none does, or it does not answer.
    """
    path = data_dir / ADMIN_FILE
    if not path.exists():
        raise _not_running(data_dir)
    try:
        admin = msgspec.json.decode(read_private(path, what="The admin file"), type=AdminFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NodeStartError(
            "admin_file_invalid",
            f"{path} is not what a node writes there: restart the node, which writes it anew",
            exit_code=EXIT_NOT_RUNNING,
        ) from None
    question = Question(token=admin.token, topic=topic)
    if order is not None:
        field = _FIELD_OF[type(order)]
        question = msgspec.structs.replace(question, **{field: order})
    asked = _line(question)
    answer = b""
    with trio.move_on_after(_deadline_s(topic)):
        try:
            async with await trio.open_tcp_stream(LOOPBACK, admin.port) as stream:
                await stream.send_all(asked)
                answer = await _read_line(stream, MAX_ANSWER_BYTES)
        except (OSError, trio.BrokenResourceError):
            raise _not_running(data_dir) from None
        except ValueError:
            answer = b""
    if not answer:
        raise NodeStartError(
            "no_answer",
            f"the node with process id {admin.pid} does not answer; its log says more",
            exit_code=EXIT_NOT_RUNNING,
        )
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NodeStartError(
            "answer_unreadable",
            "the node answers what this program does not understand: it is of another version; use the `starling` that "
            "the node was started with",
        ) from None


def _line(question: Question) -> bytes:
    """The question as one line.

    Raises:
        NodeStartError: It cannot be asked, by what the operator gave.
    """
    try:
        line = msgspec.json.encode(question) + b"\n"
    except UnicodeEncodeError:
        raise NodeStartError("text_invalid", "what was given is not text in UTF-8: give it in UTF-8") from None
    if len(line) > MAX_QUESTION_BYTES:
        raise NodeStartError("text_too_long", "login, name and password are too long together: shorten the longest")
    return line


def _not_running(data_dir: Path) -> NodeStartError:
    return NodeStartError(
        "not_running",
        f"no node runs in {data_dir}: start one with `starling up`, or name its folder with --data-dir",
        exit_code=EXIT_NOT_RUNNING,
        next_step="starling up",
    )


async def _read_line(stream: trio.SocketStream, max_bytes: int) -> bytes:
    """Read up to a line feed.

    Raises:
        ValueError: There is none within ``max_bytes``.
    """
    line = bytearray()
    while b"\n" not in line:
        part = await stream.receive_some(65536)
        if not part or len(line) + len(part) > max_bytes:
            raise ValueError("no line")
        line += part
    return bytes(line.partition(b"\n")[0])
