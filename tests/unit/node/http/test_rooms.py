"""Rooms over REST, down to the repository: who may know, come in, and decide."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from trio.testing import wait_all_tasks_blocked

from node.config import HttpConfig
from node.http.api import make_api
from node.http.app import build_app
from signalling.client.messages import (
    AskMute,
    Join,
    Joined,
    Kick,
    LockRoom,
    MuteAsked,
    ParticipantLeft,
    RoomChanged,
    SeatLost,
)
from signalling.errors import ErrorCode, Refused
from signalling.ids import ParticipantId, RoomId
from tests.unit.node.conductor.house import HERE, ROOM, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quart.typing import TestClientProtocol
    from trio.testing import MockClock

    from tests.unit.node.conductor.house import House, Person

AT = f"/v1/rooms/{ROOM}"


class Rest:
    """REST as one person or another."""

    def __init__(self, client: TestClientProtocol) -> None:
        self._client = client

    async def ask(
        self, who: Person, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Any]:
        headers = {"Authorization": f"Bearer {who.token}", **(headers or {})}
        async with self._client.request(path, method=method, headers=headers) as connection:
            await connection.send(b"" if body is None else msgspec.json.encode(body))
            await connection.send_complete()
        response = await connection.as_response()
        data = await response.get_data(as_text=False)
        return response.status_code, msgspec.json.decode(data) if data else None, response.headers

    async def code(self, who: Person, method: str, path: str, body: object = None) -> str:
        _, answer, _ = await self.ask(who, method, path, body)
        return str(answer["error"]["code"])


@asynccontextmanager
async def open_rest(web_root: Path) -> AsyncIterator[tuple[House, Rest]]:
    async with open_house() as house:
        api = make_api(house.conductor, HttpConfig(), "http://here")
        yield house, Rest(build_app(api, web_root=web_root).test_client())


async def code_of_join(
    person: Person, attempt: int = 1, *, invitation: str | None = None, pin: str | None = None
) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        await person.ask(Join(room=ROOM, attempt=attempt, invitation=invitation, pin=pin))
    return refused.value.code


async def test_a_room_is_made_read_changed_and_deleted(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        wanted = {"room": ROOM, "on_join": "reject", "grace_s": 3, "metadata": {"title": "Hall"}, "max_height": 720}
        status, made, headers = await rest.ask(ann, "POST", "/v1/rooms", wanted)
        assert (status, headers["Location"], made["on_join"], made["max_height"]) == (201, AT, "reject", 720)
        assert made["metadata"] == {"title": "Hall"}
        etag = headers["ETag"]
        assert (await rest.ask(bob, "GET", AT))[1:2] == (made,)
        status, nothing, headers = await rest.ask(bob, "GET", AT, headers={"If-None-Match": etag})
        assert (status, nothing, headers["ETag"]) == (304, None, etag)
        for known in (f"W/{etag}", f'"odd", W/{etag}', "*"):
            assert (await rest.ask(bob, "GET", AT, headers={"If-None-Match": known}))[0] == 304
        assert (await rest.ask(bob, "GET", AT, headers={"If-None-Match": 'W/"odd"'}))[0] == 200
        assert await rest.code(bob, "PATCH", AT, {"locked": True}) == "not_permitted"
        status, changed, headers = await rest.ask(ann, "PATCH", AT, {"loudest": 3}, {"If-Match": etag})
        assert (status, changed["loudest"], changed["max_height"]) == (200, 3, 720)
        status, said, again = await rest.ask(ann, "PATCH", AT, {"locked": True}, {"If-Match": etag})
        assert (status, said["error"]["code"], again["ETag"]) == (412, "revision_conflict", headers["ETag"])
        for odd in ('"odd"', "odd", "", f"W/{headers['ETag']}", '"-1"', f'"{"9" * 30}"'):
            status, said, _ = await rest.ask(ann, "DELETE", AT, headers={"If-Match": odd})
            assert (status, said["error"]["code"]) == (400, "malformed_message"), odd
            assert "If-Match takes an ETag" in said["error"]["message"]
        assert (await rest.ask(ann, "DELETE", AT, headers={"If-Match": f'"odd", {etag}'}))[0] == 412
        assert (await rest.ask(ann, "DELETE", AT, headers={"If-Match": headers["ETag"]}))[0] == 204
        assert await rest.code(ann, "GET", AT) == "room_unknown"


@pytest.mark.parametrize(
    ("patch", "code", "says"),
    [
        ({"max_participants": 0}, "room_invalid", "holds 1 to"),
        ({"grace_s": 900}, "room_invalid", "grace_s is 0 to"),
        ({"metadata": {"a": "x" * 5000}}, "room_invalid", "at most 4096"),
        ({"access": "pin"}, "room_invalid", "needs a pin"),
        ({"pin": "12"}, "room_invalid", "4 to 64"),
        ({"loudest": -1}, "room_invalid", "loudest is 0"),
        ({"policy": "multi"}, "malformed_message", "Its fields are"),
        ({"on_join": "never"}, "malformed_message", "reject"),
        ({"owner": ""}, "room_invalid", "no user id"),
    ],
)
async def test_a_change_that_no_room_can_have_is_refused_with_what_would_do(
    web_root: Path, autojump_clock: MockClock, patch: dict[str, object], code: str, says: str
) -> None:
    async with open_rest(web_root) as (house, rest):
        ann = await house.enter("Ann")
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM})
        status, answer, _ = await rest.ask(ann, "PATCH", AT, patch)
        error = answer["error"]
        assert (status, error["code"]) == (400, code)
        assert says in error["message"]


async def test_rooms_come_in_pages_and_strangers_miss_those_by_invitation(
    web_root: Path, autojump_clock: MockClock
) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        for name, access in (("a", "open"), ("b", "invite"), ("c", "open")):
            await rest.ask(ann, "POST", "/v1/rooms", {"room": name, "access": access})

        async def page(who: Person, query: str) -> tuple[list[str], str | None]:
            _, answer, _ = await rest.ask(who, "GET", f"/v1/rooms?{query}")
            return [room["room"] for room in answer["rooms"]], answer["next"]

        assert await page(ann, "limit=2") == (["a", "b"], "b")
        assert await page(ann, "limit=2&after=b") == (["c"], None)
        shown, marker = await page(bob, "limit=2")
        assert shown == ["a"]
        assert marker is not None
        assert marker.startswith("~"), "not the name of a room that he must not know of"
        assert await page(bob, f"limit=2&after={marker}") == (["c"], None)
        assert await rest.code(bob, "GET", "/v1/rooms/b") == "room_unknown"
        assert await rest.code(bob, "PATCH", "/v1/rooms/b", {}) == "room_unknown"
        for query in (
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=00019999999999999999",
            "after=%07",
            "after=~b",
            "after=~%C3%A9",
        ):
            assert await rest.code(bob, "GET", f"/v1/rooms?{query}") == "malformed_message"


async def test_an_invitation_lets_in_as_many_users_as_it_says(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob, eve = [await house.enter(name) for name in ("Ann", "Bob", "Eve")]
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM, "access": "invite"})
        assert await rest.code(bob, "POST", f"{AT}/invitations", {}) == "room_unknown"
        _, made, _ = await rest.ask(ann, "POST", f"{AT}/invitations", {"max_uses": 1})
        token = made["token"]
        assert await code_of_join(bob) is ErrorCode.INVITATION_REQUIRED
        assert await code_of_join(bob, invitation=bob.token) is ErrorCode.INVITATION_INVALID
        assert await rest.code(eve, "POST", f"{AT}/join", {"attempt": 1}) == "invitation_required"
        assert isinstance(await bob.ask(Join(room=ROOM, attempt=1, invitation=token)), Joined)
        assert (await rest.ask(bob, "GET", AT))[0] == 200, "who is inside may look"
        await bob.leave()
        assert isinstance(await bob.ask(Join(room=ROOM, attempt=2, invitation=token)), Joined), "counts once"
        assert await code_of_join(eve, invitation=token) is ErrorCode.INVITATION_INVALID
        assert await rest.code(eve, "POST", f"{AT}/join", {"attempt": 1, "invitation": token}) == "invitation_invalid"
        assert isinstance(await ann.ask(Join(room=ROOM, attempt=1)), Joined), "the owner always may"
        _, listed, _ = await rest.ask(ann, "GET", f"{AT}/invitations")
        (entry,) = listed["invitations"]
        assert (entry["uses"], "token" in entry) == (1, False)
        one = f"{AT}/invitations/{entry['invitation']}"
        assert (await rest.ask(ann, "DELETE", one))[0] == 204
        assert await rest.code(ann, "DELETE", one) == "invitation_unknown"
        await bob.leave()
        assert await code_of_join(bob, 3, invitation=token) is ErrorCode.INVITATION_INVALID


async def test_a_room_that_is_full_counts_no_use(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM, "access": "invite", "max_participants": 1})
        _, made, _ = await rest.ask(ann, "POST", f"{AT}/invitations", {"max_uses": 3})
        await ann.join()
        assert await code_of_join(bob, invitation=made["token"]) is ErrorCode.ROOM_FULL
        _, listed, _ = await rest.ask(ann, "GET", f"{AT}/invitations")
        assert [entry["uses"] for entry in listed["invitations"]] == [0]


async def test_a_pin_is_asked_for_and_not_guessed(web_root: Path) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        _, made, _ = await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM, "access": "pin", "pin": "open sesame"})
        assert (made["has_pin"], "pin_hash" in made) == (True, False)
        assert await code_of_join(bob) is ErrorCode.PIN_REQUIRED
        assert await code_of_join(bob, pin="open barley") is ErrorCode.PIN_WRONG
        assert await rest.code(bob, "POST", f"{AT}/join", {"attempt": 1, "pin": "open oats"}) == "pin_wrong"
        granted = (await rest.ask(bob, "POST", f"{AT}/join", {"attempt": 1, "pin": "open sesame"}))[1]
        join = Join(room=ROOM, attempt=1, room_token=granted["room_token"])
        assert isinstance(await bob.ask(join), Joined)
        eve = await house.enter("Eve")
        codes = [await code_of_join(eve, pin=f"{n:04}") for n in range(6)]
        assert codes == [ErrorCode.PIN_WRONG] * 5 + [ErrorCode.RATE_LIMITED]


async def test_who_came_in_by_an_old_definition_is_asked_again(web_root: Path, autojump_clock: MockClock) -> None:
    """Another node made the room one by invitation; this one hears of it with the answer to the claim."""
    async with open_rest(web_root) as (house, rest):
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM})
        definitions = house.conductor._sessions.definitions
        stale = definitions.known(ROOM)
        assert stale is not None
        await rest.ask(ann, "PATCH", AT, {"access": "invite"})
        definitions._keep(stale)
        assert await code_of_join(bob) is ErrorCode.INVITATION_REQUIRED
        assert house.conductor._sessions.seat(bob.session, ROOM) is None


async def test_people_are_kicked_banned_and_asked_to_mute(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob, eve = [await house.enter(name) for name in ("Ann", "Bob", "Eve")]
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM})
        await ann.join()
        his = (await bob.join()).participant
        (track,) = await bob.publish("audio")
        with pytest.raises(Refused) as refused:
            await bob.ask(Kick(participant=ParticipantId("pa_x")))
        assert refused.value.code is ErrorCode.NOT_PERMITTED
        await ann.ask(AskMute(participant=his, track=track))
        (asked,) = bob.ear.take(MuteAsked)
        assert (asked.track, asked.by is not None) == (track, True)
        with pytest.raises(Refused) as refused:
            await ann.ask(Kick(participant=ParticipantId("pa_x")))
        assert refused.value.code is ErrorCode.PARTICIPANT_UNKNOWN
        await ann.ask(Kick(participant=his))
        await wait_all_tasks_blocked()
        assert bob.ear.take(SeatLost) == [SeatLost(reason="kicked")]
        assert ParticipantLeft(participant=his, reason="kicked") in ann.ear.heard
        await bob.join(2)
        assert (await rest.ask(ann, "POST", f"{AT}/participants/{his}/kick", {"ban_s": 60}))[0] == 204
        await wait_all_tasks_blocked()
        assert await code_of_join(bob, 3) is ErrorCode.BANNED
        _, listed, _ = await rest.ask(ann, "GET", f"{AT}/bans")
        (ban,) = listed["bans"]
        assert ban["until_ms"] - ban["at_ms"] == 60_000
        assert (await rest.ask(ann, "DELETE", f"{AT}/bans/{ban['user']}"))[0] == 204
        await bob.join(4)
        assert await rest.code(eve, "PUT", f"{AT}/bans/{ban['user']}", {}) == "not_permitted"
        unpermitted = (await rest.ask(eve, "PUT", f"{AT}/bans/{ban['user']}", {}))[1]["error"]["message"]
        assert unpermitted == "Only this room's owner or an admin may do this."
        too_long = (await rest.ask(ann, "PUT", f"{AT}/bans/{ban['user']}", {"ban_s": 1e300}))[1]["error"]["message"]
        assert "at most 3162240000 seconds" in too_long
        unknown = (await rest.ask(ann, "DELETE", "/v1/rooms/nope"))[1]["error"]["message"]
        assert "look at the list of rooms" in unknown
        assert (await rest.ask(ann, "PUT", f"{AT}/bans/{ban['user']}", {}))[1]["until_ms"] is None
        await wait_all_tasks_blocked()
        assert len(bob.ear.take(SeatLost)) == 3
        assert (await rest.ask(ann, "PUT", f"{AT}/bans/an/odd%20user", {"ban_s": 5}))[1]["user"] == "an/odd user"
        owner = (await rest.ask(ann, "GET", AT))[1]["owner"]
        assert await rest.code(ann, "PUT", f"{AT}/bans/{owner}", {}) == "not_permitted"


async def test_a_lock_and_a_deletion_are_told_to_everybody_inside(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob, eve = [await house.enter(name) for name in ("Ann", "Bob", "Eve")]
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM})
        await ann.join()
        await bob.join()
        _, there, _ = await rest.ask(eve, "GET", f"{AT}/participants")
        assert [(one["name"], one["node"]) for one in there["participants"]] == [("Ann", HERE), ("Bob", HERE)]
        await ann.ask(LockRoom(locked=True))
        assert [event.locked for event in bob.ear.take(RoomChanged)] == [True]
        assert await code_of_join(eve) is ErrorCode.ROOM_LOCKED
        assert (await rest.ask(ann, "DELETE", AT))[0] == 204
        await wait_all_tasks_blocked()
        assert bob.ear.take(SeatLost) == ann.ear.take(SeatLost) == [SeatLost(reason="room_deleted")]
        assert house.conductor._sessions.seat(bob.session, ROOM) is None


async def test_who_left_is_listed_with_when_they_were_last_seen(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob, cy = [await house.enter(name) for name in ("Ann", "Bob", "Cy")]
        await ann.join()
        for person in (bob, cy):
            await person.join()
        his = (await rest.ask(ann, "GET", f"{AT}/participants"))[1]["participants"][1]
        assert his["name"] == "Bob"
        for person in (bob, cy):
            await person.leave()
        _, there, _ = await rest.ask(ann, "GET", f"{AT}/participants")
        assert [(one["name"], one["region"]) for one in there["participants"]] == [("Ann", his["region"])]
        assert [one["name"] for one in there["left"]] == ["Cy", "Bob"], "the last one first"
        was = there["left"][1]
        assert was.pop("last_seen_ms") >= was["since_ms"] > 0
        assert was == his
        await bob.join(2)
        _, there, _ = await rest.ask(ann, "GET", f"{AT}/participants")
        assert [one["name"] for one in there["left"]] == ["Cy"], "who is back did not leave"
        for person in (ann, bob):
            await person.leave()
        assert (await rest.ask(ann, "GET", f"{AT}/participants"))[1] == {"participants": [], "left": []}


async def test_who_was_in_a_room_by_invitation_is_nothing_for_strangers(
    web_root: Path, autojump_clock: MockClock
) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob, eve = [await house.enter(name) for name in ("Ann", "Bob", "Eve")]
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM, "access": "invite"})
        _, made, _ = await rest.ask(ann, "POST", f"{AT}/invitations", {})
        await ann.join()
        await bob.ask(Join(room=ROOM, attempt=1, invitation=made["token"]))
        assert await rest.code(eve, "GET", f"{AT}/participants") == "room_unknown"
        await bob.leave()
        assert await rest.code(bob, "GET", f"{AT}/participants") == "room_unknown", "nor any longer for who left"
        assert [one["name"] for one in (await rest.ask(ann, "GET", f"{AT}/participants"))[1]["left"]] == ["Bob"]


async def test_a_join_says_who_may_moderate_and_whether_the_room_is_locked(
    web_root: Path, autojump_clock: MockClock
) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob = [await house.enter(name) for name in ("Ann", "Bob")]
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM})
        owners, others = await ann.join(), await bob.join()
        assert (owners.moderates, owners.locked) == (True, False)
        assert (others.moderates, others.locked) == (False, False)
        await ann.ask(LockRoom(locked=True))
        assert (await ann.join(2)).locked


async def test_a_room_is_handed_to_another_owner(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        await rest.ask(ann, "POST", "/v1/rooms", {"room": ROOM})
        await ann.join()
        await bob.join()
        user = house.sessions.record(bob.session)
        assert user is not None
        status, changed, _ = await rest.ask(ann, "PATCH", AT, {"owner": user.user})
        assert (status, changed["owner"]) == (200, user.user)
        assert [event.owner for event in ann.ear.take(RoomChanged)] == [user.user]
        assert await rest.code(ann, "PATCH", AT, {"locked": True}) == "not_permitted"
        assert (await rest.ask(bob, "PATCH", AT, {"locked": True}))[0] == 200


async def test_a_room_that_a_join_made_is_nobodys(web_root: Path, autojump_clock: MockClock) -> None:
    async with open_rest(web_root) as (house, rest):
        ann = await house.enter("Ann")
        await ann.join()
        assert (await rest.ask(ann, "GET", AT))[1]["owner"] == ""
        assert await rest.code(ann, "PATCH", AT, {"locked": True}) == "not_permitted"
        assert await rest.code(ann, "GET", f"/v1/rooms/{RoomId('nowhere')}") == "room_unknown"
