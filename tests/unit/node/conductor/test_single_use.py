"""A room token is good for one seat of one session, however often and by whomever it is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import trio

from node.http.backend import JoinRequest
from signalling.client.admission import SessionRequest
from signalling.client.messages import Error, Join, Joined
from signalling.errors import ErrorCode, Refused
from tests.unit.node.conductor.house import ROOM, open_house
from tests.unit.node.http.fakes import serving
from tests.unit.node.http.test_websocket import connected

if TYPE_CHECKING:
    from pathlib import Path

    from signalling.client.messages import NodeReply
    from tests.unit.node.conductor.house import Person

OWN, FOREIGN = 500, 500
SOCKETS = 30


async def test_a_thousand_uses_at_once_admit_one(autojump_clock: object) -> None:
    # Time stands still while anybody works: what a busy machine does to deadlines is not the question here.
    async with open_house() as house:
        owner = await house.enter("Ann")
        others = [await house.enter(f"Thief {number}") for number in range(FOREIGN)]
        granted = await house.conductor.join_token(owner.token, ROOM, JoinRequest(attempt=1))
        join = Join(room=ROOM, attempt=1, room_token=granted.room_token)
        replies: list[NodeReply] = []
        refusals: list[ErrorCode] = []

        async def use(person: Person, kept: list[NodeReply]) -> None:
            try:
                kept.append(await person.ask(join))
            except Refused as refused:
                refusals.append(refused.code)

        stolen: list[NodeReply] = []
        async with trio.open_nursery() as nursery:
            for other in others:
                nursery.start_soon(use, owner, replies)
                nursery.start_soon(use, other, stolen)
        assert stolen == []
        assert refusals.count(ErrorCode.TOKEN_INVALID) == FOREIGN
        joined = [reply for reply in replies if isinstance(reply, Joined)]
        assert joined
        assert {(reply.participant, reply.epoch) for reply in joined} == {(granted.participant, joined[0].epoch)}
        assert not [reply for reply in replies if isinstance(reply, Error)]
        # Whoever asks too fast is told so; nobody is seated twice.
        assert set(refusals) <= {ErrorCode.TOKEN_INVALID, ErrorCode.RATE_LIMITED}
        assert len(joined) + len(refusals) == OWN + FOREIGN
        (summary,) = (await house.conductor.room_desk.page(owner.token, after="", limit=9)).rooms
        assert summary.participants == 1
        assert house.conductor.stage.rooms.others(owner.session) == ()


async def test_over_real_sockets_one_session_is_seated(tmp_path: Path) -> None:
    async with open_house() as house, serving(house.conductor, tmp_path) as server:
        owner_token = (await house.conductor.create_session(SessionRequest(name="Ann"))).token
        outcomes: list[str] = []

        async def steal(room_token: str) -> None:
            token = (await house.conductor.create_session(SessionRequest(name="Thief"))).token
            async with connected(server.port, {"topic": "hello", "id": 1, "token": token}) as socket:
                await socket.send_message(as_join(room_token))
                outcomes.append(json.loads(await socket.get_message()).get("code", "joined"))

        async with connected(server.port) as owner:
            await owner.send_message(json.dumps({"topic": "hello", "id": 1, "token": owner_token}))
            welcome = json.loads(await owner.get_message())
            granted = await house.conductor.join_token(welcome["token"], ROOM, JoinRequest(attempt=1))
            async with trio.open_nursery() as nursery:
                for _ in range(SOCKETS):
                    nursery.start_soon(steal, granted.room_token)
                await owner.send_message(as_join(granted.room_token))
                assert json.loads(await owner.get_message())["participant"] == granted.participant
            assert outcomes == ["token_invalid"] * SOCKETS
            assert len(house.conductor.stage.rooms.snapshot(ROOM)) == 1


def as_join(room_token: str) -> str:
    return json.dumps({"topic": "join", "id": 2, "room": ROOM, "attempt": 1, "room_token": room_token})
