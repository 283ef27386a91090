"""The gossip keys of the whole cluster: which node has which, and changing them without losing anybody.

Serf changes keyrings by queries of its own and says how many agents did it, not which did not. So each node answers a
query of ours, too, with fingerprints of its keyring (of keys nobody can learn them back), and a change is refused
while a known node is down or does not answer: it would come back with keys that nobody speaks any more. A node that
left in good order holds nothing up, as it may be gone for good; it is named, for its key file has to be changed by hand
before it comes back, and its start says so (agent/joining.py).

A rotation is three changes: install the new key everywhere, use it everywhere, remove the others. After each all
nodes still understand each other, so it can stop at any point and be run again.

Whoever takes part in the gossip hears every new key, so a rotation shuts out those who know the old key from outside,
never a member: for that, change the key files of all nodes by hand, and restart them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import structlog
import trio
from msgspec import Meta

from membership.errors import GossipUnavailableError, KeysRefusedError
from membership.keys.keyring import FINGERPRINT_BYTES, fingerprint_of, is_gossip_key, read_keyring
from membership.members.snapshot import MemberState
from membership.queries.inquiry import inquire
from membership.rpc.errors import RemoteRpcError, RpcError, reasons_of
from signalling.cbor import GarbledError, decode, encode
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig
    from membership.members.snapshot import ClusterView
    from membership.rpc.client import SerfClient
    from membership.rpc.records import KeyringAnswer, QueryEvent

__all__ = ["GossipKeys", "KeyChange", "KeysReport", "NodeKeys"]

QUERY_NAME: Final = "k"
"""One constant name, short because every byte of a query is sent to every node several times."""

ANSWERS_PER_S: Final = 1.0
ANSWER_BURST: Final = 10.0
"""An operator's rotation asks five times; more is a script in a loop, or somebody who wants to see us busy."""

MAX_TOLD: Final = 32
"""Fingerprints in one answer: a cluster has one key, and two or three while it rotates them."""

MAX_ANSWER_BYTES: Final = 400

log = structlog.get_logger(__name__)


class _KeyringTold(msgspec.Struct, frozen=True, array_like=True):
    """A node's keyring in fingerprints, the one in use first; empty if its agent keeps it elsewhere."""

    version: Annotated[int, Meta(ge=1, le=255)]
    keys: Annotated[
        list[Annotated[bytes, Meta(min_length=FINGERPRINT_BYTES, max_length=FINGERPRINT_BYTES)]],
        Meta(max_length=MAX_TOLD),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeKeys:
    """What one node says of its keyring.

    Attributes:
        node: its stable id.
        state: what gossip says of it.
        has_answered: whether it said anything.
        keys: fingerprints, the key in use first; empty also where an external agent keeps them.
    """

    node: str
    state: MemberState
    has_answered: bool
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysReport:
    """The keys of the cluster.

    Attributes:
        nodes: known nodes that have not left, in the order of their ids.
        strangers: members that are no nodes of the cluster and hear every new key: their Serf names.
        agents: living agents, as the local one counts them.
        agents_with: in how many keyrings each key is, by fingerprint.
        own_file: fingerprint of the key in the local node's key file; None where an external agent keeps keys.
        left: nodes that left in good order and are remembered: what changes now passes them by.
    """

    nodes: tuple[NodeKeys, ...]
    strangers: tuple[str, ...]
    agents: int
    agents_with: dict[str, int]
    own_file: str | None
    left: tuple[str, ...] = ()

    @property
    def silent(self) -> tuple[str, ...]:
        """Nodes that are down or did not answer: a change of keys would pass them by."""
        return tuple(one.node for one in self.nodes if not one.has_answered)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyChange:
    """What became of one change.

    Attributes:
        action: `install`, `use` or `remove`.
        fingerprint: of the key.
        nodes: living agents.
        answered: agents that answered.
        failed: what agents said that could not do it, by Serf name.
        is_done: whether every living agent did it.
    """

    action: str
    fingerprint: str
    nodes: int
    answered: int
    failed: dict[str, str]
    is_done: bool


class GossipKeys:
    """The keys, asked and changed through the agent in use.

    Args:
        config: deadlines, and where the own keyring is.
        keyring: the own keyring file; None where an external agent keeps it.
        view: the newest snapshot of the cluster.
        endpoint: the agent in use, None while there is none.
    """

    def __init__(
        self,
        config: MembershipConfig,
        *,
        keyring: Path | None,
        view: Callable[[], ClusterView],
        endpoint: Callable[[], AgentEndpoint | None],
    ) -> None:
        self._config = config
        self._keyring = keyring
        self._view = view
        self._endpoint = endpoint
        self._is_changing = False
        self.refusals: Counter[str] = Counter()
        """Orders of operators that were refused since start, by code."""
        self._bucket = TokenBucket(rate_per_s=ANSWERS_PER_S, burst=ANSWER_BURST, now=0.0)

    # --- the questions of others ---

    def is_for_us(self, query: QueryEvent) -> bool:
        """Whether to answer: anybody may ask, not too often."""
        return not query.payload and self._bucket.take(trio.current_time())

    async def answer(self, client: SerfClient, query: QueryEvent) -> None:
        """Tell the own keyring in fingerprints.

        Raises:
            BrokenRpcError: the agent is gone.
            trio.TooSlowError: it hangs.
        """
        told = [bytes.fromhex(fingerprint_of(key)) for key in await self._own_keys()]
        try:
            await client.respond(query.id, encode(_KeyringTold(version=1, keys=told[:MAX_TOLD])))
        except RemoteRpcError as error:
            log.debug("keyring_told_too_late", reason=error.reason)

    async def _own_keys(self) -> tuple[str, ...]:
        path = self._keyring
        return () if path is None else await trio.to_thread.run_sync(read_keyring, path)

    # --- ours ---

    async def report(self) -> KeysReport:
        """Ask every node and every agent.

        Raises:
            GossipUnavailableError: no agent, or it did not answer in time.
            KeysRefusedError: `gossip_unencrypted`: there are no keys.
        """
        view = self._view()
        known = [member for _, member in sorted(view.members.items()) if member.state is not MemberState.LEFT]
        told = await inquire(
            self._agent(),
            QUERY_NAME,
            expected={member.serf_name for member in known if member.state is MemberState.ALIVE},
            named=False,
            timeout_s=self._config.query_timeout_s,
            deadline_s=self._config.call_deadline_s,
        )
        listed = await self._ask_agents(lambda client: client.list_keys())
        if not listed.keys and listed.failed:
            raise self._refusal("gossip_unencrypted", "the gossip of this node has no key, so there is none to list")
        nodes = []
        for member in known:
            keys = _keys_in(told.get(member.serf_name))
            nodes.append(
                NodeKeys(
                    node=member.node_id,
                    state=member.state,
                    has_answered=keys is not None and member.state is MemberState.ALIVE,
                    keys=keys or (),
                )
            )
        key = self._config.gossip_key
        return KeysReport(
            nodes=tuple(nodes),
            strangers=tuple(one.serf_name for one in view.unusable if one.state is MemberState.ALIVE),
            agents=listed.nodes,
            agents_with={fingerprint_of(key): count for key, count in sorted(listed.keys.items())},
            own_file=None if key is None else fingerprint_of(key),
            left=tuple(sorted(node_id for node_id, one in view.members.items() if one.state is MemberState.LEFT)),
        )

    async def install(self, key: str, *, force: bool = False) -> KeyChange:
        """Put a key into every keyring, in use nowhere yet; that it is there already does no harm.

        Args:
            key: base64 of 16, 24 or 32 bytes.
            force: also while nodes are down or silent.

        Raises:
            KeysRefusedError: `gossip_key_invalid`, `nodes_missing`, `keys_busy`.
            GossipUnavailableError: no agent, or it did not answer in time; the change may still happen.
        """
        self._check(key)
        async with self._alone(force=force):
            return await self._change("install", key)

    async def use(self, fingerprint: str, *, force: bool = False) -> KeyChange:
        """Let every node encrypt with this key; raises as :meth:`install` does, and `key_unknown`."""
        async with self._alone(force=force):
            return await self._change("use", await self._key_of(fingerprint))

    async def remove(self, fingerprint: str, *, force: bool = False) -> KeyChange:
        """Take a key out of every keyring, unless it is in use; raises as :meth:`use` does."""
        async with self._alone(force=force):
            return await self._change("remove", await self._key_of(fingerprint))

    async def rotate(self, key: str, *, force: bool = False) -> tuple[KeyChange, ...]:
        """Install a key, use it, and remove all others; stops behind a change that did not reach everybody.

        With `force` it goes on although agents did not answer, but not when one said that it cannot.
        Raises as :meth:`install` does; when it does so in the midst, run it again.
        """
        self._check(key)
        async with self._alone(force=force):
            changes = [await self._change("install", key)]
            if _goes_on(changes[-1], force=force):
                changes.append(await self._change("use", key))
            if _goes_on(changes[-1], force=force):
                listed = await self._ask_agents(lambda client: client.list_keys())
                changes += [await self._change("remove", other) for other in listed.keys if other != key]
            return tuple(changes)

    @contextlib.asynccontextmanager
    async def _alone(self, *, force: bool) -> AsyncIterator[None]:
        """One change at a time, and none that a node would miss."""
        if self._is_changing:
            raise self._refusal("keys_busy", "another change of keys is under way: wait for its end")
        self._is_changing = True
        try:
            silent = () if force else (await self.report()).silent
            if silent:
                raise self._refusal(
                    "nodes_missing",
                    f"{', '.join(silent)} would miss this and come back with keys that nobody speaks any more: bring "
                    "them up first, or use --force and copy the new key to them by hand",
                )
            yield
        finally:
            self._is_changing = False

    def _check(self, key: str) -> None:
        if not is_gossip_key(key):
            raise self._refusal("gossip_key_invalid", "that is no gossip key: base64 of 16, 24 or 32 bytes")

    def _refusal(self, code: str, message: str) -> KeysRefusedError:
        self.refusals[code] += 1
        return KeysRefusedError(code, message)

    async def _change(self, action: str, key: str) -> KeyChange:
        commands: dict[str, Callable[[SerfClient], Awaitable[KeyringAnswer]]] = {
            "install": lambda client: client.install_key(key),
            "use": lambda client: client.use_key(key),
            "remove": lambda client: client.remove_key(key),
        }
        answer = await self._ask_agents(commands[action])
        change = KeyChange(
            action=action,
            fingerprint=fingerprint_of(key),
            nodes=answer.nodes,
            answered=answer.answered,
            failed=dict(answer.messages) if answer.failed else {},
            is_done=answer.is_complete,
        )
        log.info("gossip_keys_changed", action=action, key=change.fingerprint, done=change.is_done)
        return change

    async def _key_of(self, fingerprint: str) -> str:
        keys = (await self._ask_agents(lambda client: client.list_keys())).keys
        found = [key for key in keys if fingerprint_of(key) == fingerprint]
        if not found:
            raise self._refusal("key_unknown", f"no keyring has a key {fingerprint}: `starling keys list` names all")
        return found[0]

    async def _ask_agents(self, command: Callable[[SerfClient], Awaitable[KeyringAnswer]]) -> KeyringAnswer:
        problem = "no answer"
        try:
            async with self._agent().connect(deadline_s=self._config.call_deadline_s) as client:
                return await command(client)
        except* (RpcError, trio.TooSlowError) as group:
            problem = reasons_of(group)
        raise GossipUnavailableError(f"the gossip agent did not do it: {problem}")

    def _agent(self) -> AgentEndpoint:
        endpoint = self._endpoint()
        if endpoint is None:
            raise GossipUnavailableError("the gossip agent is being started; try again in a moment")
        return endpoint


def _goes_on(change: KeyChange, *, force: bool) -> bool:
    return change.is_done or (force and not change.failed)


def _keys_in(payload: bytes | None) -> tuple[str, ...] | None:
    if payload is None:
        return None
    try:
        return tuple(key.hex() for key in decode(payload, _KeyringTold, max_bytes=MAX_ANSWER_BYTES).keys)
    except GarbledError:
        return None
