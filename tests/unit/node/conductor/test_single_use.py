"""A room token is good for one seat of one session, however often and by whomever it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from node.http.backend import JoinRequest
from signalling.client.messages import Error, Join, Joined
from signalling.errors import ErrorCode, Refused
from tests.unit.node.conductor.house import ROOM, open_house

if TYPE_CHECKING:
    from signalling.client.messages import NodeReply
    from tests.unit.node.conductor.house import Person

OWN, FOREIGN = 500, 500


async def test_a_thousand_uses_at_once_admit_one() -> None:
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
        (summary,) = await house.conductor.list_rooms(owner.token)
        assert summary.participants == 1
        assert house.conductor.stage.rooms.others(owner.session) == ()
