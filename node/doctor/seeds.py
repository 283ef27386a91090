"""The seeds, asked now: whether somebody is there, and whether they have our gossip key."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

import trio

from membership.gossip_ping import ping_gossip
from node.doctor.findings import fail, ok, warn

if TYPE_CHECKING:
    from node.config import Config
    from node.doctor.findings import Check

DEADLINE_S: Final = 3.0
"""For each of two ways, name server and all: the longest way round the earth takes 0.4 s."""

NAME: Final = "seeds"
ANSWERS, DEAF, ABSENT = "answers", "deaf", "absent"


async def check_seeds(config: Config, gossip_key: str | None) -> tuple[Check, ...]:
    """Ask the seeds of a node; nothing where there are none but itself.

    Args:
        config: The node's.
        gossip_key: In base64, what gossip is sealed with; None where an external agent has it.
    """
    own = {f"{config.mesh.address}:{config.mesh.port}", config.mesh.advertise}
    seeds = tuple(seed for seed in config.mesh.seeds if seed not in own)
    if not seeds:
        return ()
    found: dict[str, str] = {}

    async def ask(seed: str) -> None:
        found[seed] = await _ask(seed, gossip_key)

    async with trio.open_nursery() as nursery:
        for seed in seeds:
            nursery.start_soon(ask, seed)
    return (judge_seeds({seed: found[seed] for seed in seeds}, is_asked_by_key=gossip_key is not None),)


def judge_seeds(found: dict[str, str], *, is_asked_by_key: bool) -> Check:
    """Say what the seeds' answers mean; `DEAF` is who takes connections and does not answer our packets."""
    deaf = [seed for seed, how in found.items() if how == DEAF]
    there = [seed for seed, how in found.items() if how != ABSENT]
    answering = len(found) - len(deaf) - (len(found) - len(there))
    if not there:
        said = f"none answers now: {', '.join(found)}"
        return warn(NAME, said, "compare mesh.seeds with the addresses of living nodes")
    if deaf and is_asked_by_key:
        cure = (
            "compare mesh.gossip_key_file with theirs (starling keys list there names the key in use); if it is the "
            "same, let UDP through to that port, both ways"
        )
        said = f"{', '.join(deaf)}: there, and not answering packets that are sealed with this node's gossip key"
        return warn(NAME, said, cure) if answering else fail(NAME, said, cure)
    return ok(NAME, f"{len(there)} of {len(found)} answer now")


async def _ask(seed: str, gossip_key: str | None) -> str:
    host, _, port = seed.rpartition(":")
    with trio.move_on_after(DEADLINE_S):
        address = await _address_of(host.strip("[]"), int(port))
        if address is None:
            return ABSENT
        if gossip_key is not None:
            try:
                if await ping_gossip(gossip_key, address, int(port), deadline_s=DEADLINE_S / 2) is not None:
                    return ANSWERS
            except ValueError:
                pass  # the key is none: keys.gossip says so
        try:
            async with await trio.open_tcp_stream(address, int(port)):
                return DEAF
        except OSError:
            return ABSENT
    return ABSENT


async def _address_of(host: str, port: int) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return str((await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_DGRAM))[0][4][0])
    except OSError:
        return None
