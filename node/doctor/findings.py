"""What the doctor says."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check.

    Attributes:
        name: Stable: what was looked at, with the peer where there is one (``udp.gossip:amsterdam``).
        verdict: ``warn`` is for a person to judge, ``fail`` keeps a node from its work.
        message: What was found.
        next: What to do about it; empty when nothing is to be done.
    """

    name: str
    verdict: Verdict
    message: str
    next: str = ""


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """All checks; ``running`` says whether a node was asked."""

    running: bool
    checks: tuple[Check, ...]

    @property
    def worst(self) -> Verdict:
        """The worst verdict of all."""
        verdicts = {check.verdict for check in self.checks}
        return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "ok"


def ok(name: str, message: str) -> Check:
    """Nothing is to be done."""
    return Check(name=name, verdict="ok", message=message)


def warn(name: str, message: str, next_step: str) -> Check:
    """Somebody should look at it."""
    return Check(name=name, verdict="warn", message=message, next=next_step)


def fail(name: str, message: str, next_step: str) -> Check:
    """It keeps a node from its work."""
    return Check(name=name, verdict="fail", message=message, next=next_step)
