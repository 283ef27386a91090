"""What can go wrong between a node and its gossip layer, each with a stable code.

Three things reach an operator: a node that cannot start its gossip (`GossipSetupError`, wrong set-up on
this machine, worth an exit code), a request that found no working agent (`GossipUnavailableError`,
passes by itself), and a change of gossip keys that would do harm (`KeysRefusedError`).  Errors of the RPC
connection itself live in `membership.rpc.errors` and are mapped to these at the edge of the service.
"""

from __future__ import annotations

__all__ = ["GossipSetupError", "GossipUnavailableError", "KeysRefusedError", "MembershipError"]


class MembershipError(Exception):
    """Base of all errors of the membership service.

    Attributes:
        code: stable machine-readable name of the problem.
        message: one or two sentences for a human, ending with the next step.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class GossipSetupError(MembershipError):
    """This machine's set-up keeps the node from joining its cluster.

    Codes: `serf_missing`, `serf_failed`, `gossip_port_taken`, `gossip_address_invalid`, `gossip_key_invalid`,
    `gossip_key_required`, `data_dir_unusable`, `tags_invalid`, `revoked_keys_invalid`; of an external agent
    `agent_unreachable`, `agent_token_refused`, `agent_unsuitable`.
    """


class KeysRefusedError(MembershipError):
    """Gossip keys were not changed.

    Codes: `gossip_key_invalid`, `gossip_unencrypted`, `key_unknown`, `keys_busy`, `nodes_missing`.
    """


class GossipUnavailableError(MembershipError):
    """No working agent answered in time; the request may or may not have been carried out.

    Its code is always `gossip_unavailable`.  The supervisor is already bringing the agent back.
    """

    def __init__(self, message: str) -> None:
        super().__init__("gossip_unavailable", message)
