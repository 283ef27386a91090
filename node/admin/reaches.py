"""Whether all nodes reach each other, for an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from node.reachability import Reachability

if TYPE_CHECKING:
    from node.conductor import Conductor


class Reaches(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; ``code`` says why nobody looked."""

    found: Reachability | None = None
    code: str = ""
    message: str = ""


async def look_everywhere(conductor: Conductor) -> Reaches:
    """Look at all ways, from both ends."""
    if conductor.preflight is None:
        return Reaches(
            code="no_mesh", message="this node is alone: it has no mesh; name a gossip key file in mesh.gossip_key_file"
        )
    return Reaches(found=await conductor.preflight.look_everywhere())
