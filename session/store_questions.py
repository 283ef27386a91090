"""What the registry asks the store: a task for each question, which brings the answer back as an event."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import structlog
import trio

from durable.errors import StoreUnavailableError
from durable.repository import ABSENT
from session.registry_events import (
    Assert,
    AssertAnswered,
    Claim,
    ClaimAnswered,
    ReadRules,
    Release,
    ReleaseAnswered,
    RulesRead,
    Touch,
    TouchAnswered,
)
from signalling.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from session.registry_events import RegistryEvent
    from session.room_definitions import RoomDefinitions
    from session.store import RoomRules, SeatStore
    from signalling.errors import ErrorCode
    from signalling.ids import RoomId

__all__ = ["Question", "StoreQuestions"]

Question: TypeAlias = Claim | ReadRules | Touch | Assert | Release
"""What is asked."""

_Answer = TypeVar("_Answer")

_log = structlog.get_logger("session")


class StoreQuestions:
    """Questions on their way to the store. Each ends within the store's own deadlines, answered or not.

    Args:
        store: where the cluster's seats are indexed.
        definitions: where the rules of rooms are read again.
        nursery: in which the questions wait.
        answered: takes each answer.
    """

    def __init__(
        self,
        store: SeatStore,
        definitions: RoomDefinitions,
        *,
        nursery: trio.Nursery,
        answered: Callable[[RegistryEvent], None],
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._nursery = nursery
        self._answered = answered
        self._asking = 0
        self._all_answered = trio.Event()
        self._lost_at: float | None = None
        self.failures = 0
        """Calls that failed or timed out, since start."""
        self.outages = 0
        """How often the store fell silent, since start."""

    @property
    def outage_s(self) -> float:
        """Seconds since the store fell silent, 0 while it answers."""
        return 0.0 if self._lost_at is None else trio.current_time() - self._lost_at

    def ask(self, question: Question) -> None:
        """Ask, behind the caller's back."""
        self._asking += 1
        self._nursery.start_soon(self._ask, question)

    async def wait_all_answered(self) -> None:
        """Wait until no question is on its way, those included that answers led to."""
        await trio.lowlevel.checkpoint()
        while self._asking:
            self._all_answered = trio.Event()
            await self._all_answered.wait()

    async def _ask(self, question: Question) -> None:
        event: RegistryEvent
        match question:
            case Claim(seat=seat, rules=rules, silent=silent, number=number):
                answer = None
                # Rules of no revision are a stand-in: the store was asked for them in vain. A join waits for it once.
                if rules.revision != ABSENT:
                    answer = await self._or_none(self._store.claim(seat, rules, silent=silent))
                event = ClaimAnswered(seat=seat, answer=answer, wall_ms=int(time.time() * 1000), number=number)
            case ReadRules(session=session, room=room, attempt=attempt):
                rules_now, refusal = await self._rules_of(room)
                event = RulesRead(session=session, room=room, attempt=attempt, rules=rules_now, refusal=refusal)
            case Touch(seats=seats, asked_at=asked_at):
                answers = await self._or_none(self._store.touch(seats))
                event = TouchAnswered(seats=seats, answers=answers, asked_at=asked_at)
            case Assert(seats=seats, asked_at=asked_at):
                answers = await self._or_none(self._store.assert_seats(seats))
                event = AssertAnswered(seats=seats, answers=answers, asked_at=asked_at)
            case Release(seats=seats):
                event = ReleaseAnswered(seats=seats, answers=await self._or_none(self._store.release(seats)))
        self._asking -= 1
        self._answered(event)
        if not self._asking:
            self._all_answered.set()

    async def _rules_of(self, room: RoomId) -> tuple[RoomRules | None, ErrorCode | None]:
        try:
            return (await self._definitions.read_again(room)).rules, None
        except Refused as refused:
            return None, refused.code

    async def _or_none(self, call: Awaitable[_Answer]) -> _Answer | None:
        try:
            answer = await call
        except StoreUnavailableError as error:
            self.failures += 1
            if self._lost_at is None:
                self._lost_at = trio.current_time()
                self.outages += 1
                _log.warning("store_lost", error=str(error))
            return None
        if self._lost_at is not None:
            _log.info("store_returned", after_s=round(self.outage_s, 1))
            self._lost_at = None
        return answer
