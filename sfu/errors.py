"""What can go wrong between a node and the program beside it."""

from __future__ import annotations


class EngineStartError(Exception):
    """The program could not be brought to serve.

    Attributes:
        code: Stable: ``engine_missing`` (not installed), ``engine_incompatible`` (speaks another
            version), ``engine_silent`` (did not answer in time), ``engine_garbled`` (answered
            nonsense), ``engine_died`` (ended instead of answering), or the program's own reason,
            such as ``media_port_taken``.
        message: One sentence for people, with the next step where there is one.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class EngineError(Exception):
    """A command had no effect, or none that is known."""


class EngineRefused(EngineError):  # noqa: N818 - a refusal is an answer, not a failure of ours
    """The program understood a command and turned it down; nothing has changed.

    Attributes:
        code: The program's stable code, such as ``sdp_invalid`` or ``link_not_open``, or
            ``command_too_large`` where the command did not fit a frame and was not sent.
        message: One sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class EngineLostError(EngineError):
    """The program that was to answer is gone, and every peer with it; a new one starts empty."""


class EngineTimeoutError(EngineLostError):
    """No answer within the deadline: whether the command took effect is unknown.

    Commands state how things shall be, so the way out is to say it again.
    """
