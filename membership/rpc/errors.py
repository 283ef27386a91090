"""What can go wrong on an RPC connection, named by who caused it.

A call that is not answered in time raises `trio.TooSlowError`; what our own caller does wrong is a `ValueError`.
"""

from __future__ import annotations

__all__ = ["BrokenRpcError", "ClosedRpcError", "RemoteRpcError", "RpcError", "reasons_of"]


class RpcError(Exception):
    """Base of the errors of an RPC connection."""


class ClosedRpcError(RpcError):
    """This side has closed the connection."""


class BrokenRpcError(RpcError):
    """The connection is of no use any more: the agent closed it, stopped reading, or broke the protocol."""


class RemoteRpcError(RpcError):
    """The agent understood the request and refused it; the connection stays good.

    Attributes:
        command: the request.
        reason: the agent's own words.
        body: the undecoded body that came with the refusal, None where the command has none.
    """

    def __init__(self, command: str, reason: str, body: object = None) -> None:
        super().__init__(f"{command}: {reason}")
        self.command = command
        self.reason = reason
        self.body = body


def reasons_of(group: BaseExceptionGroup[BaseException]) -> str:
    """Say in one line why an agent was of no use: all reasons in a group, of RPC errors and deadlines."""
    return "; ".join(
        reasons_of(error) if isinstance(error, BaseExceptionGroup) else str(error) or "no answer in time"
        for error in group.exceptions
    )
