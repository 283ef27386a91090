"""One attempt to join the cluster by its seeds, and what its failure means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from membership.errors import GossipSetupError
from membership.rpc.errors import BrokenRpcError, RemoteRpcError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig

__all__ = ["try_seeds"]

WRONG_KEY_SIGNS = ("No installed keys could decrypt", "remote state is not encrypted", "Remote state is encrypted")
"""How memberlist words, in a failed join, that the two sides do not share the gossip key."""


async def try_seeds(
    config: MembershipConfig, endpoint: AgentEndpoint, addresses: Sequence[str]
) -> GossipSetupError | None:
    """Join by these `host:port`; returns why none was reached, None if one was.

    The attempt has a connection of its own: it takes up to 10 s per dead seed, and the agent answers the requests
    of one connection strictly in order.

    An agent that goes away is noticed by those who use it; here it is an attempt that failed, as is one for which this
    process had no file descriptor left.
    """
    problem: GossipSetupError | None = None
    try:
        async with endpoint.connect(deadline_s=config.call_deadline_s) as client:
            await client.join(addresses, deadline_s=config.join_deadline_s)
    except* (BrokenRpcError, RemoteRpcError) as failed:
        problem = _problem(" ".join(str(failed.exceptions[0]).split()))
    except* trio.TooSlowError:
        problem = _problem("no answer in time")
    return problem


def _problem(reason: str) -> GossipSetupError:
    if any(sign in reason for sign in WRONG_KEY_SIGNS):
        return GossipSetupError(
            "gossip_key_invalid",
            "the seeds use another gossip key than this node; give every node of the cluster the same one. If keys "
            "were rotated while this node was away, copy the key file of `starling keys rotate` over its own and start "
            "it again; `starling keys list`, on a node that runs, names the key in use",
        )
    return GossipSetupError(
        "seeds_unreachable",
        f"no node of the cluster answers there (is the address right, does gossip reach it?): {reason}",
    )
