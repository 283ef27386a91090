"""Somebody in a room measures anew and tells the node, which decides."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from signalling.client.connection import converse
from signalling.client.messages import Hello, Join, Measured
from signalling.client.nearer import look_for_nearer
from signalling.ids import NodeId
from tests.unit.signalling.client.fake_node import a_node
from tests.unit.signalling.client.test_choosing import ROOM, Figures, a_door, named
from tests.unit.signalling.client.words import WELCOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from signalling.client.connection import Client
    from tests.unit.signalling.client.fake_node import FakeNode


@asynccontextmanager
async def seated(*features: str) -> AsyncIterator[tuple[Client, FakeNode]]:
    """A client with a seat on a node that understands this."""
    async with a_node() as (ws, node):
        node.instead[Hello] = msgspec.structs.replace(WELCOME, features=features)
        async with converse(ws, token="token") as client:
            await client.join(ROOM, attempt=1, moves=True)
            yield client, node


async def test_what_was_measured_is_told_and_the_dead_are_not_in_it() -> None:
    figures = Figures(a=200, b=20, c=None)
    async with (
        a_door(lambda _: (200, named("a", "b", "c", weighs=True))) as (url, _),
        seated("measured") as (client, node),
    ):
        assert await look_for_nearer(client, [url], ROOM, probe=figures.probe)
        told = [one.rtts_ms for one in node.asked if isinstance(one, Measured)]
    assert told == [{NodeId("a"): 200.0, NodeId("b"): 20.0}]


@pytest.mark.parametrize(("features", "figures"), [((), {"a": 1.0}), (("measured",), {"a": None})])
async def test_an_older_node_and_one_that_would_learn_nothing_are_told_nothing(
    features: tuple[str, ...], figures: dict[str, float | None]
) -> None:
    async with a_door(lambda _: (200, named("a"))) as (url, _), seated(*features) as (client, node):
        assert not await look_for_nearer(client, [url], ROOM, probe=Figures(**figures).probe)
        assert [type(one) for one in node.asked] == [Hello, Join]
