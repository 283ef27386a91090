"""What the operator may order about members through the admin listener, and how it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
import structlog
from msgspec import Meta

from signalling.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership import Membership
    from relay import Relay

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MemberAction: TypeAlias = Literal["join", "leave", "forget", "renew"]

MAX_NAME_LENGTH = 280
"""A DNS name of 253 characters, brackets and a port."""


class MemberOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order; ``target`` is the address to join, the member to forget, or the node whose link is made anew."""

    action: MemberAction
    target: Annotated[str, Meta(max_length=MAX_NAME_LENGTH)] = ""


class MemberAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order; with a ``code``, nothing did.

    Attributes:
        forgotten: Serf names that the cluster no longer lists.
        remaining: Those that were to be forgotten and are listed still: the agent was too slow.
        alive: Living members that the node sees, itself included.
        pid: The process that is ending, after a leave.
        code: Why not.
        message: The same for people, with a next step.
    """

    forgotten: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()
    alive: int = 0
    pid: int = 0
    code: str = ""
    message: str = ""


class MemberOrders:
    """Carries them out.

    Args:
        membership: The node's place in the cluster, if it has one.
        relay: Its links, if it has any.
        stop: Ends the node in good order; a second time, at once.
        is_stopping: Whether it is being ended.
        pid: Of this process.
    """

    def __init__(
        self,
        *,
        membership: Membership | None,
        relay: Relay | None,
        stop: Callable[[], None],
        is_stopping: Callable[[], bool],
        pid: int,
    ) -> None:
        self._membership = membership
        self._relay = relay
        self._stop = stop
        self._is_stopping = is_stopping
        self._pid = pid
        self._is_leaving = False

    async def carry_out(self, order: MemberOrder) -> MemberAnswer:
        """Do what the operator wants; a refusal is an answer."""
        from membership import MembershipError  # whoever asks imports this module, and needs no mesh for it

        if order.action == "leave":
            return self._leave()
        if order.action == "renew":
            return self._renew(order.target)
        if self._membership is None:
            return MemberAnswer(
                code="no_mesh",
                message="this node is on its own: set mesh.gossip_key_file (`starling keygen` makes the keys)",
            )
        try:
            if order.action == "join":
                await self._membership.orders.join(order.target)
                return MemberAnswer(alive=len(self._membership.view.alive()))
            return await self._forget(self._membership, order.target)
        except MembershipError as error:
            return MemberAnswer(code=error.code, message=error.message)

    async def _forget(self, membership: Membership, wanted: str) -> MemberAnswer:
        from relay import LinkState

        links = () if self._relay is None else self._relay.snapshot()
        linked = {one.node for one in links if one.state is LinkState.UP}
        # By its id, or by the name under which its newest agent is known; names of its former ones can be forgotten.
        meant = {one.node_id for one in membership.view.members.values() if wanted in (one.node_id, one.serf_name)}
        if linked & meant:
            # Gossip alone is never believed about a death: media flows.
            return MemberAnswer(
                code="member_alive", message=f"{wanted} is not gone: our link to it is up, whatever gossip says of it"
            )
        forgotten = await membership.orders.forget(wanted)
        log.info("members_forgotten", members=forgotten.names, remaining=forgotten.remaining)
        return MemberAnswer(
            forgotten=forgotten.names, remaining=forgotten.remaining, alive=len(membership.view.alive())
        )

    def _renew(self, wanted: str) -> MemberAnswer:
        from relay import LinkState

        links = () if self._relay is None else self._relay.snapshot()
        carrying = [one.node for one in links if one.state in (LinkState.UP, LinkState.SUSPECT)]
        if self._relay is None or wanted not in carrying:
            known = ", ".join(carrying) or "none"
            return MemberAnswer(
                code="not_linked", message=f"no link with {wanted!r} carries now; those that do: {known}"
            )
        log.info("link_renewal_ordered", node=wanted)
        self._relay.renew_link(NodeId(wanted))
        return MemberAnswer()

    def _leave(self) -> MemberAnswer:
        if self._is_leaving or self._is_stopping():
            return MemberAnswer(
                code="leaving", message=f"it leaves already; a signal ends it at once: kill -TERM {self._pid}"
            )
        self._is_leaving = True
        log.info("leave_ordered")
        self._stop()
        return MemberAnswer(pid=self._pid)
