"""What every repository keeps to; each ring runs it on a real one."""

from __future__ import annotations

import time

import pytest
import trio

from durable.repository import (
    ABSENT,
    MAX_BODY_BYTES,
    Document,
    Entry,
    Kind,
    LocalRepository,
    Log,
    Repository,
    RevisionConflictError,
)

LONG_AGO_MS = 1_000


def in_an_hour_ms() -> int:
    return time.time_ns() // 1_000_000 + 3_600_000


def entry(id_: str) -> Entry:
    return Entry(id=id_, body=f"says {id_}".encode())


class RepositoryContract:
    """A subclass has a fixture `repository`: an empty one."""

    async def test_what_was_written_is_read(self, repository: Repository) -> None:
        assert await repository.get(Kind.ROOM, "lobby") is None
        body = b'{"n":"\x00:\n\xff"}'
        revision = await repository.put(Kind.ROOM, "lobby", body=body)
        assert revision > ABSENT
        assert await repository.get(Kind.ROOM, "lobby") == Document(key="", body=body, revision=revision)

    async def test_kind_scope_and_key_tell_documents_apart(self, repository: Repository) -> None:
        places = [(Kind.BAN, "a", "x"), (Kind.INVITATION, "a", "x"), (Kind.BAN, "b", "x"), (Kind.BAN, "a", "y")]
        for number, place in enumerate(places):
            await repository.put(*place, body=str(number).encode())
        for number, place in enumerate(places):
            document = await repository.get(*place)
            assert document is not None
            assert document.body == str(number).encode()

    async def test_revisions_rise_and_never_come_again(self, repository: Repository) -> None:
        seen = [
            await repository.put(Kind.ROOM, "lobby", body=b"1"),
            await repository.put(Kind.ROOM, "lobby", body=b"2"),
        ]
        assert await repository.delete(Kind.ROOM, "lobby")
        seen.append(await repository.put(Kind.ROOM, "lobby", body=b"3"))
        await repository.drop("lobby", (Kind.ROOM,))
        seen.append(await repository.put(Kind.ROOM, "lobby", body=b"4"))
        assert seen == sorted(set(seen))
        assert seen[-1] < 2**53

    async def test_a_writer_who_names_an_old_revision_is_told(self, repository: Repository) -> None:
        old = await repository.put(Kind.ACCOUNT, "account:ann", body=b"1")
        new = await repository.put(Kind.ACCOUNT, "account:ann", body=b"2", expected=old)
        with pytest.raises(RevisionConflictError) as caught:
            await repository.put(Kind.ACCOUNT, "account:ann", body=b"3", expected=old)
        assert caught.value.revision == new
        with pytest.raises(RevisionConflictError) as caught:
            await repository.delete(Kind.ACCOUNT, "account:ann", expected=old)
        assert caught.value.revision == new
        document = await repository.get(Kind.ACCOUNT, "account:ann")
        assert document is not None
        assert document.body == b"2"
        assert await repository.delete(Kind.ACCOUNT, "account:ann", expected=new)

    async def test_absent_creates_and_never_replaces(self, repository: Repository) -> None:
        first = await repository.put(Kind.ROOM, "lobby", body=b"1", expected=ABSENT)
        with pytest.raises(RevisionConflictError) as caught:
            await repository.put(Kind.ROOM, "lobby", body=b"2", expected=ABSENT)
        assert caught.value.revision == first
        with pytest.raises(RevisionConflictError) as caught:
            await repository.put(Kind.ROOM, "attic", body=b"2", expected=first)
        assert caught.value.revision == ABSENT

    async def test_of_writers_at_the_same_moment_one_wins(self, repository: Repository) -> None:
        start = await repository.put(Kind.ROOM, "lobby", body=b"start")
        won: list[int] = []

        async def write(number: int) -> None:
            try:
                await repository.put(Kind.ROOM, "lobby", body=str(number).encode(), expected=start)
            except RevisionConflictError:
                return
            won.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(write, number)
        document = await repository.get(Kind.ROOM, "lobby")
        assert document is not None
        assert [document.body] == [str(number).encode() for number in won]

    async def test_what_expired_is_gone(self, repository: Repository) -> None:
        await repository.put(Kind.BAN, "lobby", "ann", body=b"1", expires_at_ms=LONG_AGO_MS)
        await repository.put(Kind.BAN, "lobby", "ben", body=b"2", expires_at_ms=in_an_hour_ms())
        assert await repository.get(Kind.BAN, "lobby", "ann") is None
        assert [document.key for document in await repository.page(Kind.BAN, "lobby")] == ["ben"]
        assert not await repository.delete(Kind.BAN, "lobby", "ann")

    async def test_what_expired_stands_at_no_revision(self, repository: Repository) -> None:
        old = await repository.put(Kind.BAN, "lobby", "ann", body=b"1", expires_at_ms=LONG_AGO_MS)
        with pytest.raises(RevisionConflictError) as caught:
            await repository.put(Kind.BAN, "lobby", "ann", body=b"3", expected=old)
        assert caught.value.revision == ABSENT
        assert await repository.put(Kind.BAN, "lobby", "ann", body=b"3", expected=ABSENT) > old
        document = await repository.get(Kind.BAN, "lobby", "ann")
        assert document is not None
        assert document.body == b"3"
        await repository.put(Kind.BAN, "lobby", "ben", body=b"1", expires_at_ms=LONG_AGO_MS)
        assert not await repository.delete(Kind.BAN, "lobby", "ben", expected=ABSENT)

    async def test_what_is_written_again_expires_when_it_says_now(self, repository: Repository) -> None:
        await repository.put(Kind.BAN, "lobby", "ann", body=b"1", expires_at_ms=in_an_hour_ms())
        await repository.put(Kind.BAN, "lobby", "ann", body=b"1", expires_at_ms=-5)
        assert await repository.get(Kind.BAN, "lobby", "ann") is None
        await repository.put(Kind.BAN, "lobby", "ann", body=b"1")
        assert await repository.get(Kind.BAN, "lobby", "ann") is not None

    async def test_pages_are_in_bytewise_order(self, repository: Repository) -> None:
        keys = ["B", "a", "a1", "é", "b", ""]
        for key in keys:
            await repository.put(Kind.INVITATION, "lobby", key, body=b"{}")
        await repository.put(Kind.BAN, "lobby", "a0", body=b"{}")
        ordered = sorted(keys, key=str.encode)
        assert [document.key for document in await repository.page(Kind.INVITATION, "lobby")] == ordered
        pages: list[str] = []
        while page := await repository.page(Kind.INVITATION, "lobby", after=pages[-1] if pages else "", limit=2):
            pages += [document.key for document in page]
        assert pages == ordered

    async def test_scopes_of_a_listed_kind_are_listed_and_counted(self, repository: Repository) -> None:
        names = ["zoo", "Attic", "lobby", "lobby2", "ätna"]
        for name in names:
            await repository.put(Kind.ROOM, name, body=b"{}")
            await repository.put(Kind.ROOM, name, body=b"{2}")
        await repository.put(Kind.BAN, "elsewhere", "ann", body=b"{}")
        ordered = tuple(sorted(names, key=str.encode))
        assert await repository.scopes(Kind.ROOM) == ordered
        assert await repository.scopes(Kind.ROOM, after=ordered[1], limit=2) == ordered[2:4]
        assert await repository.count_scopes(Kind.ROOM) == len(names)
        assert await repository.scopes(Kind.ACCOUNT) == ()
        await repository.delete(Kind.ROOM, "zoo")
        await repository.drop("Attic", (Kind.ROOM,))
        assert await repository.scopes(Kind.ROOM) == tuple(name for name in ordered if name not in {"zoo", "Attic"})
        assert await repository.count_scopes(Kind.ROOM) == len(names) - 2

    async def test_a_scope_is_listed_while_any_document_of_the_kind_is_in_it(self, repository: Repository) -> None:
        await repository.put(Kind.ROOM, "lobby", "one", body=b"{}")
        await repository.put(Kind.ROOM, "lobby", "two", body=b"{}")
        await repository.delete(Kind.ROOM, "lobby", "one")
        assert await repository.scopes(Kind.ROOM) == ("lobby",)
        with pytest.raises(RevisionConflictError):
            await repository.put(Kind.ROOM, "attic", body=b"{}", expected=7)
        assert await repository.count_scopes(Kind.ROOM) == 1

    async def test_a_page_of_a_listed_kind_comes_with_its_documents_in_one_call(self, repository: Repository) -> None:
        names = ("zoo", "lobby", "Attic", "a.b", "a-b", "\u00e4rger", "\U0001f600")
        revisions = {name: await repository.put(Kind.ROOM, name, body=f"of {name}".encode()) for name in names}
        await repository.put(Kind.ROOM, "hall", "odd", body=b"under a key of its own")
        await repository.put(Kind.BAN, "cellar", body=b"of another kind")
        calls = repository.statistics().calls
        found = await repository.listed(Kind.ROOM)
        assert repository.statistics().calls == calls + 1
        assert found == tuple(
            (name, Document(key="", body=f"of {name}".encode(), revision=revisions[name]))
            for name in sorted(names, key=str.encode)
        )
        assert await repository.listed(Kind.ROOM, limit=3) == found[:3]
        assert await repository.listed(Kind.ROOM, after=found[2][0], limit=3) == found[3:6], "no page ends early"
        assert await repository.listed(Kind.ROOM, after="lobby", limit=9) == found[4:]
        assert await repository.listed(Kind.ACCOUNT) == ()

    async def test_a_dropped_scope_keeps_what_was_not_named(self, repository: Repository) -> None:
        for scope in ("lobby", "attic"):
            for kind in (Kind.ROOM, Kind.BAN, Kind.INVITATION):
                await repository.put(kind, scope, "x", body=b"{}")
            await repository.append(Log.CHAT, scope, entry("1"), keep=5)
        await repository.drop("lobby", (Kind.ROOM, Kind.INVITATION), (Log.CHAT,))
        assert await repository.get(Kind.ROOM, "lobby", "x") is None
        assert await repository.get(Kind.INVITATION, "lobby", "x") is None
        assert await repository.get(Kind.BAN, "lobby", "x") is not None
        assert await repository.tail(Log.CHAT, "lobby") == ()
        assert await repository.page(Kind.ROOM, "attic") != ()
        assert await repository.tail(Log.CHAT, "attic") == (entry("1"),)

    async def test_deleting_what_is_not_there_says_so(self, repository: Repository) -> None:
        assert not await repository.delete(Kind.ROOM, "lobby")
        assert not await repository.delete(Kind.ROOM, "lobby", expected=ABSENT)

    async def test_a_log_keeps_the_newest_in_order_and_each_once(self, repository: Repository) -> None:
        for id_ in ("b", "a", "a1", "c", "d"):
            assert await repository.append(Log.CHAT, "lobby", entry(id_), keep=4)
        assert not await repository.append(Log.CHAT, "lobby", Entry(id="c", body=b"other words"), keep=4)
        assert await repository.tail(Log.CHAT, "lobby") == (entry("a1"), entry("b"), entry("c"), entry("d"))
        assert await repository.append(Log.CHAT, "cellar", entry("ab"), keep=4)
        assert await repository.append(Log.CHAT, "cellar", entry("a"), keep=4)
        assert not await repository.append(Log.CHAT, "cellar", entry("ab"), keep=1)
        assert await repository.tail(Log.CHAT, "cellar") == (entry("ab"),)
        assert await repository.tail(Log.CHAT, "lobby", limit=2) == (entry("c"), entry("d"))
        assert await repository.tail(Log.CHAT, "lobby", before="c", limit=1) == (entry("b"),)
        assert await repository.tail(Log.CHAT, "lobby", before="b5") == (entry("a1"), entry("b"))
        assert await repository.tail(Log.CHAT, "attic") == ()

    async def test_bodies_are_taken_up_to_the_limit(self, repository: Repository) -> None:
        most, more = bytes(MAX_BODY_BYTES), bytes(MAX_BODY_BYTES + 1)
        await repository.put(Kind.ROOM, "lobby", body=most)
        document = await repository.get(Kind.ROOM, "lobby")
        assert document is not None
        assert document.body == most
        with pytest.raises(ValueError, match="longer"):
            await repository.put(Kind.ROOM, "lobby", body=more)
        with pytest.raises(ValueError, match="longer"):
            await repository.append(Log.CHAT, "lobby", Entry(id="1", body=more), keep=1)

    async def test_a_listed_kind_does_not_expire(self, repository: Repository) -> None:
        with pytest.raises(ValueError, match="expire"):
            await repository.put(Kind.ROOM, "lobby", body=b"{}", expires_at_ms=in_an_hour_ms())

    async def test_names_are_only_names(self, repository: Repository) -> None:
        strange = "'; DROP TABLE documents; -- {x}:*[a]"
        await repository.put(Kind.BAN, strange, strange, body=b"{}")
        assert [document.key for document in await repository.page(Kind.BAN, strange)] == [strange]
        assert await repository.get(Kind.BAN, strange, "other") is None


class LocalRepositoryContract(RepositoryContract):
    """What the repository of one node keeps to besides."""

    async def test_documents_of_a_kind_are_found_everywhere(self, repository: LocalRepository) -> None:
        places = [("attic", "zoe"), ("hall", "ann"), ("hall", "bob"), ("hall", "über"), ("zoo", "")]
        for scope, key in reversed(places):
            await repository.put(Kind.BAN, scope, key, body=b"{}")
        await repository.put(Kind.ROOM, "hall", body=b"{}")
        await repository.put(Kind.BAN, "hall", "cid", body=b"{}", expires_at_ms=LONG_AGO_MS)
        assert await repository.everywhere(Kind.BAN) == tuple(places)
        assert await repository.everywhere(Kind.BAN, limit=2) == tuple(places[:2])
        assert await repository.everywhere(Kind.BAN, after=places[1]) == tuple(places[2:])
        assert await repository.everywhere(Kind.BAN, after=places[-1]) == ()
