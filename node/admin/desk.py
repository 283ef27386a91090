"""Answers the operator's questions about the running node."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from membership import MemberState
from node.account_orders import AccountAnswer, carry_out
from node.admin.facts import Facts, allowed_files, open_files
from node.admin.history import HistoryAnswer, read_history
from node.admin.member_orders import MemberAnswer, MemberOrders
from node.admin.overview import Overview, look_over
from node.admin.reaches import Reaches, look_everywhere
from node.admin.reports import LinkReport, Links, MemberReport, Members, Problem, StatusReport
from node.admin.rtts import Rtts, read_rtts
from node.admin.streams import stream_events, stream_logs
from node.admin.tracks import Explained, explain
from node.audit import AuditReport
from node.conductor.distances import rtts_now
from node.identity import load_gossip_key
from node.lifecycle_orders import NodeAnswer, carry_out_order
from node.mesh_orders import KeysAnswer, carry_out_keys
from relay.link_peer import node_of_link
from sfu import EngineLostError
from signalling.ids import NodeId

if TYPE_CHECKING:
    from membership import ClusterView, Membership, RttMatrix, ViewMember
    from node.admin.outlet import Outlet
    from node.admin.protocol import Question
    from node.audit import Auditor
    from node.conductor import Conductor
    from node.config import Config
    from node.drain import Drainer
    from node.http.backend import ReadinessProblem
    from relay import Relay
    from sfu import Engine

Answer: TypeAlias = (
    StatusReport
    | Members
    | Links
    | Rtts
    | Overview
    | Facts
    | AuditReport
    | AccountAnswer
    | KeysAnswer
    | HistoryAnswer
    | NodeAnswer
    | MemberAnswer
    | Explained
    | Reaches
)


@dataclass(frozen=True, kw_only=True)
class AdminDesk:
    """Answers questions, does what is ordered, and streams."""

    config: Config
    url: str
    conductor: Conductor
    engine: Engine
    membership: Membership | None
    relay: Relay | None
    alone: ClusterView
    auditor: Auditor
    orders: MemberOrders
    drainer: Drainer

    async def answer(self, question: Question) -> Answer:
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
                key_file = None if self.config.mesh.rpc else lambda: load_gossip_key(self.config)
                return await carry_out_keys(self.membership, question.mesh_order, key_in_file=key_file)
            case "history":
                return read_history(self.membership)
            case "node":
                return await carry_out_order(NodeId(self.config.node.id), self.drainer, question.node_order)
            case "rtt":
                return await self._rtts()
            case "overview":
                return await self._overview()
            case "facts":
                return self._facts()
            case "member":
                return await self.orders.carry_out(question.member_order)
            case "explain":
                return await explain(self.conductor, question.track_order)
            case "reachability":
                return await look_everywhere(self.conductor)
            case "events" | "monitor":
                raise ValueError(f"{question.topic} is no question: it streams")

    async def stream(self, question: Question, outlet: Outlet) -> None:
        """Tell what a topic that streams has to tell, until there is no more or this is cancelled."""
        if question.topic == "events":
            await stream_events(self.membership, outlet)
        else:
            await stream_logs(self.membership, question.stream, outlet)

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

    def _facts(self) -> Facts:
        gossip = None if self.membership is None else self.membership.statistics()
        return Facts(
            config=self.config,
            url=self.url,
            media_addresses=self.engine.addresses,
            engine_serves=self.engine.supervision().serving,
            agent_up=None if gossip is None else gossip.agent_is_up,
            agent_restarts=0 if gossip is None else gossip.agent_restarts,
            files_open=open_files(),
            files_allowed=allowed_files(),
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

    async def _rtts(self, *, own_alone: bool = False) -> Rtts:
        view = self.alone if self.membership is None else self.membership.view
        return read_rtts(view, self.membership, self.relay, own_alone=own_alone)

    async def _overview(self) -> Overview:
        return await look_over(
            status=self._status(),
            members=await self._members(),
            links=await self._links(),
            rtts=await self._rtts(own_alone=True),
            conductor=self.conductor,
            engine=self.engine,
        )

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
