"""The Serf agent's RPC (IPC version 1), spoken by Trio.

The wire is msgpack objects back to back without any length prefix, and only the *command* tells whether an
answer has a body: a client that guesses wrong is out of step for ever.  So the codec is a pure machine of its own
(wire.py) that remembers every request until it is answered, also those whose caller has long given up;
connection.py moves bytes and gives each call a deadline; records.py turns answers into typed records; client.py is
one method per command.  One connection is served strictly in order by the agent, hence several by purpose.
"""

from membership.rpc.client import SerfClient, open_serf_client
from membership.rpc.errors import BrokenRpcError, ClosedRpcError, RemoteRpcError, RpcError
from membership.rpc.records import (
    Gap,
    KeyringAnswer,
    MemberEvent,
    QueryAcknowledged,
    QueryAnswer,
    QueryEvent,
    SerfMember,
    SerfStats,
    StreamRecord,
    UnknownRecord,
    UserEvent,
)

__all__ = [
    "BrokenRpcError",
    "ClosedRpcError",
    "Gap",
    "KeyringAnswer",
    "MemberEvent",
    "QueryAcknowledged",
    "QueryAnswer",
    "QueryEvent",
    "RemoteRpcError",
    "RpcError",
    "SerfClient",
    "SerfMember",
    "SerfStats",
    "StreamRecord",
    "UnknownRecord",
    "UserEvent",
    "open_serf_client",
]
