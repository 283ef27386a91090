"""Chat between real nodes over a real store: once each, in order, also when a node is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import trio

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from signalling.client.admission import create_session
from signalling.client.connection import open_client
from signalling.client.messages import ChatMessage
from signalling.ids import RoomId
from tests.cluster.processes import descendants

if TYPE_CHECKING:
    from signalling.client.connection import Client

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("chatter")


def _arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


async def _hear(client: Client, count: int) -> list[ChatMessage]:
    heard: list[ChatMessage] = []
    with trio.fail_after(15):
        async for event in client.events:
            if isinstance(event, ChatMessage):
                heard.append(event)
                if len(heard) == count:
                    break
    return heard


async def test_what_was_acknowledged_on_a_node_that_is_killed_is_known_on_the_other() -> None:
    """Ann's node dies behind her acknowledged words; Ben's node knows them, her repeat, and what she missed."""
    async with open_cluster(STAGES[:2]) as cluster:
        here, there = cluster.at(AMSTERDAM), cluster.at(SINGAPORE)
        ann, ben = await create_session(here.url, name="Ann"), await create_session(there.url, name="Ben")
        async with open_client(ben.session_url, token=ben.token) as listener:
            await listener.join(ROOM, attempt=1)
            async with open_client(ann.session_url, token=ann.token) as speaker:
                await speaker.join(ROOM, attempt=1)
                # Said before the two nodes know of each other's people, and behind it.
                sent = [await speaker.chat(f"word {n}", nonce=f"n{n}") for n in range(5)]
                assert [one.message for one in sent] == sorted(one.message for one in sent)
                heard = await _hear(listener, 5)
                assert sorted(one.message for one in heard) == [one.message for one in sent]
                (node,) = (pid for pid in descendants(here.process.pid) if "up" in _arguments(pid))
                os.kill(node, signal.SIGKILL)
            answer = await listener.chat("are you there?")
            url = f"{there.url.replace('http', 'ws', 1)}/v1/session"
            async with open_client(url, token=ann.token) as back:
                joined = await back.join(ROOM, attempt=2, chat_after=sent[-1].message)
                assert [one.message for one in joined.missed] == [answer.message]
                assert (await back.chat("word 4", nonce="n4")).message == sent[4].message
                last = await back.chat("I am", nonce="n5")
                assert [one.message for one in await _hear(back, 1)] == [last.message]
                page = await back.chat_history()
                assert [one.message for one in page.messages] == [
                    *(one.message for one in sent),
                    answer.message,
                    last.message,
                ]
            assert [one.message for one in await _hear(listener, 2)] == [answer.message, last.message]
