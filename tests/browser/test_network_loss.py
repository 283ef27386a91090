"""The path to the node breaks, or the node dies: the page comes back, and what was written meanwhile arrives once."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from signalling.ids import NodeId, RoomId
from tests.browser.chromium import open_chromium
from tests.browser.cut import open_path
from tests.browser.participant import open_participant
from tests.browser.watching import open_watch
from tests.cluster.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.cluster import Cluster
    from tests.browser import cut
    from tests.browser.participant import BrowserParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("loss")
WHILE_AWAY: Final = [f"while away {number}" for number in range(5)]


async def test_a_broken_path_is_resumed_and_chat_written_meanwhile_arrives_once() -> None:
    """The page sees `reconnecting` and `resumed`, the room nothing; the texts arrive in order, each once."""
    async with open_cluster(STAGES[:1], settings={"rooms": {"grace_s": 8.0}}) as cluster:
        url = cluster.at(AMSTERDAM).url
        async with open_path(url) as path, open_watch(url, ROOM, name="watcher") as watch:
            await trio.to_thread.run_sync(_cut, url, path)
            await watch.wait_names()
        assert [(kind, name) for kind, name, _ in watch.seen] in (
            [("joined", "here"), ("joined", "away"), ("left", one), ("left", two)]
            for one, two in (("here", "away"), ("away", "here"))
        )


def _cut(url: str, path: cut.Path) -> None:
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        here, away = open_participant(browser, url), open_participant(browser, url)
        here.join(ROOM, node=url, name="here")
        away.join(ROOM, node=path.url, name="away")
        away.say("before")
        trio.from_thread.run_sync(path.cut)
        away.wait_until(lambda state: state["state"] == "reconnecting", "the page notices")
        _write(away)
        trio.from_thread.run_sync(path.mend)
        _has_resumed(away)
        _has_heard(here)


async def test_a_killed_node_is_left_for_another_and_chat_written_meanwhile_arrives_once() -> None:
    """`reconnecting`, `resumed` at the node that lives; the texts arrive there in order, each once."""
    async with open_cluster(STAGES[:2]) as cluster:
        await trio.to_thread.run_sync(_kill, cluster)


def _kill(cluster: Cluster) -> None:
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        away = open_participant(browser, cluster.at(AMSTERDAM).url)
        away.join(ROOM, node=None, name="away")
        home = NodeId(away.state()["home"])
        (other,) = {AMSTERDAM, SINGAPORE} - {home}
        here = open_participant(browser, cluster.at(other).url)
        here.join(ROOM, node=cluster.at(other).url, name="here")
        away.wait_until(lambda state: [one["name"] for one in state["people"]] == ["here"], "the link is up")
        away.say("before")
        here.wait_until(lambda state: len(state["chats"]) == 1, "chat crosses the link")
        _kill_node(cluster, home)
        _write(away)
        state = _has_resumed(away)
        assert state["home"] == other
        _has_heard(here)
        me = state["me"]
        there = here.wait_until(lambda state: [one["id"] for one in state["people"]] == [me], "one of each, no ghost")
        came = [event["kind"] for event in there["events"] if event["id"] == me]
        assert came in (["participantjoined"], ["participantjoined", "participantleft", "participantjoined"])


def _write(page: BrowserParticipant) -> None:
    for text in WHILE_AWAY:
        page.begin_say(text)


def _has_resumed(page: BrowserParticipant) -> Mapping[str, Any]:
    state = page.wait_until(lambda state: state["taken"] == WHILE_AWAY, "the node has taken what was written, in order")
    events = [event["kind"] for event in state["events"]]
    assert [kind for kind in events if kind != "participantjoined"] == ["reconnecting", "resumed"]
    assert [chat["text"] for chat in state["chats"]] == ["before", *WHILE_AWAY]
    return state


def _has_heard(page: BrowserParticipant) -> None:
    heard = ["before", *WHILE_AWAY]
    state = page.wait_until(lambda state: len(state["chats"]) >= len(heard), "the other one hears all of it")
    assert [chat["text"] for chat in state["chats"]] == heard


def _kill_node(cluster: Cluster, node: NodeId) -> None:
    tree = descendants(cluster.at(node).process.pid)
    (pid,) = (pid for pid in tree if "node" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
    os.kill(pid, signal.SIGKILL)
