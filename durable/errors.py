"""What a store may answer instead of a result, and what keeps a node from opening one."""

from __future__ import annotations

__all__ = ["StoreOutcomeUnknownError", "StoreSetupError", "StoreUnavailableError"]


class StoreUnavailableError(Exception):
    """The store did not take the call: it cannot be reached, or was not asked because of that."""


class StoreOutcomeUnknownError(StoreUnavailableError):
    """The store did not answer in time; the change may have landed, or may land later."""


class StoreSetupError(Exception):
    """This node's store cannot be used.

    Codes: `store_unavailable` (a server), `store_file_unavailable`, `store_invalid` (a file's content).

    Attributes:
        code: stable machine-readable name of the problem.
        message: one or two sentences for a human, ending with the next step. Never holds a password.
        is_away: nobody answers there: it may be right again in a moment, without anybody changing a setting.
    """

    def __init__(self, code: str, message: str, *, is_away: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.is_away = is_away
