"""Why a node did not start, for the person who started it."""

from __future__ import annotations

from typing import Final

EXIT_FAILED: Final = 1
EXIT_NOT_RUNNING: Final = 3
EXIT_CONFIG: Final = 78


class NodeStartError(Exception):
    """The node cannot run on this machine as it is set up.

    Attributes:
        code: Stable name of the problem.
        message: One or two sentences for people, ending with the next step.
        exit_code: What the program ends with.
        next_step: A command that leads on; empty where there is none.
    """

    def __init__(self, code: str, message: str, *, exit_code: int = EXIT_FAILED, next_step: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.exit_code = exit_code
        self.next_step = next_step
