"""Two nodes that reach each other by IPv6 alone: link, media, and a link that is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from relay import LinkRenewed, LinkState
from sfu import EngineConfig
from sfu.participants import open_participants
from tests.cluster.relay.mesh import Place, open_mesh, wait_until
from tests.cluster.relay.test_mesh import share
from tests.cluster.sfu.stage import wait_received

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.relay.mesh import MeshNode

pytestmark = pytest.mark.cluster

ONLY: Final = "::1"


def is_renewed(node: MeshNode) -> bool:
    return any(isinstance(event, LinkRenewed) for event in node.heard)


async def test_nodes_with_ipv6_alone_link_and_carry_media(tmp_path: Path) -> None:
    async with open_participants(address=ONLY) as participants:
        place = Place(engine=EngineConfig(media_address=ONLY), participants=participants)
        async with open_mesh(tmp_path, lambda _: place) as mesh:
            a, b = await mesh.start("node-a", "node-b")
            assert all(at.startswith(f"[{ONLY}]:") for node in (a, b) for at in node.engine.addresses)
            await share(a, b)
            for name in ("anna", "bram"):
                media = await wait_received(participants, name, packets=100)
                assert all(item.lost == 0 for item in media.values())
            a.relay.renew_link(b.node)
            await wait_until(lambda: is_renewed(a) and is_renewed(b), deadline_s=5)
            for name in ("anna", "bram"):
                before = await wait_received(participants, name, packets=10)
                after = await wait_received(
                    participants, name, packets=100 + max(item.packets for item in before.values())
                )
                assert all(item.lost == 0 for item in after.values())
            assert [status.state for node in (a, b) for status in node.relay.snapshot()] == [LinkState.UP] * 2
