"""Any sequence of calls gets the same answers from a real repository as from the one in memory.

Revisions are numbers of each store's own; a call names one by what it was: the last that was seen, an older
one, none at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from hypothesis import strategies as st

from durable.repository import ABSENT, Entry, Kind, Log, RevisionConflictError
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.durable.repository_contract import LONG_AGO_MS, in_an_hour_ms

if TYPE_CHECKING:
    from durable.repository import Repository

Expected: TypeAlias = Literal["any", "absent", "newest", "older"]

NEVER_GIVEN = 2**52
"""A revision that no document of a test comes to."""

SCOPES: Final = ("a", "a:b")
KINDS: Final = (Kind.BAN, Kind.ROOM)
KEYS: Final = ("", "k", "k:", "l")


@dataclass(frozen=True)
class Put:
    kind: Kind
    scope: str
    key: str
    body: bytes
    expected: Expected
    expires: Literal["never", "later", "long ago"]


@dataclass(frozen=True)
class Delete:
    kind: Kind
    scope: str
    key: str
    expected: Expected


@dataclass(frozen=True)
class Drop:
    scope: str
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Append:
    scope: str
    id: str
    keep: int


Call: TypeAlias = Put | Delete | Drop | Append

_kinds, _scopes, _keys = st.sampled_from(KINDS), st.sampled_from(SCOPES), st.sampled_from(KEYS)
_expected: st.SearchStrategy[Expected] = st.sampled_from(("any", "absent", "newest", "older"))

calls: Final[st.SearchStrategy[list[Call]]] = st.lists(
    st.one_of(
        st.builds(
            Put,
            _kinds,
            _scopes,
            _keys,
            st.binary(max_size=6),
            _expected,
            st.sampled_from(("never", "later", "long ago")),
        ),
        st.builds(Delete, _kinds, _scopes, _keys, _expected),
        st.builds(Drop, _scopes, st.sampled_from(((Kind.BAN,), (Kind.ROOM,), KINDS))),
        st.builds(Append, _scopes, st.sampled_from(("1", "2", "3", "31")), st.integers(1, 3)),
    ),
    max_size=14,
)


class Side:
    """One repository, and the revisions that it gave to each document."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._given: dict[tuple[Kind, str, str], list[int]] = {}

    async def do(self, call: Call) -> object:
        """What it answers, without numbers of its own."""
        match call:
            case Put():
                place = (call.kind, call.scope, call.key)
                expires = {"never": None, "later": in_an_hour_ms(), "long ago": LONG_AGO_MS}[call.expires]
                try:
                    revision = await self.repository.put(
                        *place,
                        body=call.body,
                        expected=self._named(place, call.expected),
                        expires_at_ms=None if call.kind.is_listed else expires,
                    )
                except RevisionConflictError as conflict:
                    return "conflict", self._told(place, conflict.revision)
                given = self._given.setdefault(place, [])
                assert all(revision > before for before in given)
                given.append(revision)
                return "put"
            case Delete():
                place = (call.kind, call.scope, call.key)
                try:
                    return await self.repository.delete(*place, expected=self._named(place, call.expected))
                except RevisionConflictError as conflict:
                    return "conflict", self._told(place, conflict.revision)
            case Drop():
                await self.repository.drop(call.scope, call.kinds, (Log.CHAT,))
                return None
            case Append():
                entry = Entry(id=call.id, body=call.id.encode())
                return await self.repository.append(Log.CHAT, call.scope, entry, keep=call.keep)

    async def all(self) -> object:
        """All that can be read, without numbers of its own."""
        seen: list[object] = [await self.repository.scopes(Kind.ROOM), await self.repository.count_scopes(Kind.ROOM)]
        listed = await self.repository.listed(Kind.ROOM, limit=2)
        seen.append([(scope, d.body, self._told((Kind.ROOM, scope, d.key), d.revision)) for scope, d in listed])
        for scope in SCOPES:
            seen.append(await self.repository.tail(Log.CHAT, scope))
            seen.append(await self.repository.tail(Log.CHAT, scope, before="3", limit=1))
            for kind in KINDS:
                for after in ("", "k"):
                    page = await self.repository.page(kind, scope, after=after, limit=2)
                    seen.append([(d.key, d.body, self._told((kind, scope, d.key), d.revision)) for d in page])
                for key in KEYS:
                    document = await self.repository.get(kind, scope, key)
                    seen.append(document and document.body)
        return seen

    def _named(self, place: tuple[Kind, str, str], expected: Expected) -> int | None:
        given = self._given.get(place, [])
        match expected:
            case "any":
                return None
            case "absent":
                return ABSENT
            case "newest":
                return given[-1] if given else NEVER_GIVEN
            case "older":
                return given[0] if len(given) > 1 else NEVER_GIVEN

    def _told(self, place: tuple[Kind, str, str], revision: int) -> int:
        """Which of the given ones it is, from the newest on; 0 for none."""
        return 0 if revision == ABSENT else self._given[place][::-1].index(revision) + 1


async def check_agreement(repository: Repository, made: list[Call]) -> None:
    """Make the calls on both sides; the repository is empty before and after."""
    model, real = Side(MemoryRepository()), Side(repository)
    try:
        for call in made:
            assert await real.do(call) == await model.do(call), call
        assert await real.all() == await model.all()
    finally:
        for scope in SCOPES:
            await repository.drop(scope, KINDS, (Log.CHAT,))
