"""What keeps a node from opening its sessions, with a stable code and a sentence for the operator."""

from __future__ import annotations

__all__ = ["SessionSetupError"]


class SessionSetupError(Exception):
    """This node's set-up cannot carry sessions.

    Codes: `keys_missing`, `keys_readable_by_others`, `keys_invalid`, `api_keys_invalid`.

    Attributes:
        code: stable machine-readable name of the problem.
        message: one or two sentences for a human, ending with the next step. Never holds a password.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
