"""The other nodes, as only a running node knows them: there, reached by UDP, linked, and right about the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import httpx
import trio

from membership.gossip_ping import ping_gossip
from node.doctor.findings import fail, ok, warn

if TYPE_CHECKING:
    from node.admin.reports import LinkReport, MemberReport
    from node.doctor.findings import Check

PING_DEADLINE_S: Final = 3.0
"""For three tries: the longest way round the earth takes 0.4 s."""

HTTP_DEADLINE_S: Final = 5.0

AT_A_TIME: Final = 16
"""Peers that are asked at once."""

CLOCK_WARN_S: Final = 2.0
"""The header `Date` has whole seconds, so half of one is noise."""

CLOCK_FAIL_S: Final = 30.0
"""Half of the leeway that tokens have."""

REFUSED: Final = {
    "node_twin": "stop one of the two processes, or give the copied one an id and a node-key.pem of its own",
    "key_changed": "give each machine a node.id of its own",
    "key_shared": "remove node-key.pem from the data folder of the node that was copied, and restart it",
    "name_moved": "look who runs at its address; that one has the gossip key: starling keys rotate",
    "key_revoked": "stop it, or take its key out of mesh.revoked_keys_file and send the nodes SIGHUP",
}
"""What to do about a member that is refused, by the code of the refusal."""

REFUSED_ELSE: Final = "if it should be ours, compare tokens.cluster_keys_file and node.cluster on both"

GONE: Final = {"failed": "it does not answer", "left": "it left in good order"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """A peer's clock against ours: how far ahead it is, and how sure that is, in seconds."""

    offset_s: float
    error_s: float


def check_members(members: tuple[MemberReport, ...]) -> tuple[Check, ...]:
    """Who there is, and who should be."""
    checks = []
    peers = [one for one in members if not one.me]
    alive = [one for one in peers if one.state in ("alive", "draining", "ineligible")]
    if not alive:
        cure = "starling join host:port of any other node, and list it in mesh.seeds"
        checks.append(warn("peers", "no other node is there", cure))
    else:
        checks.append(ok("peers", f"{len(alive)} there: {', '.join(one.node for one in alive)}"))
    for one in peers:
        if one.state == "failed":
            cure = f"look at its machine; if it is gone for good: starling force-leave {one.node}"
            checks.append(warn(f"peer:{one.node}", GONE["failed"], cure))
        elif one.state == "refused":
            cure = REFUSED.get(one.reason.partition(":")[0], REFUSED_ELSE)
            checks.append(warn(f"peer:{one.node}", f"refused: {one.reason}", cure))
    return tuple(checks)


async def check_gossip_udp(node: str, address: str, gossip_key: str | None) -> Check:
    """Whether a gossip port is reached by UDP, and answers with our key."""
    name = f"udp.gossip:{node}"
    host, _, port = address.rpartition(":")
    if gossip_key is None:
        return ok(name, f"{address} was not asked: the external agent has the key, and only who has it is answered")
    try:
        rtt_ms = await ping_gossip(gossip_key, host.strip("[]"), int(port), deadline_s=PING_DEADLINE_S)
    except ValueError:
        return fail(name, f"{address} was not asked: the gossip key is none", "see keys.gossip")
    if rtt_ms is None:
        cure = f"let UDP through to port {port} of {host}, both ways; TCP alone makes gossip slow and peers flap"
        return fail(name, f"{address} does not answer by UDP", cure)
    return ok(name, f"{address} answers by UDP in {rtt_ms:.1f} ms")


def check_media_udp(peer: MemberReport, links: tuple[LinkReport, ...]) -> Check:
    """Whether media packets reach a peer: a link that is up says so, and nothing else can."""
    name = f"udp.media:{peer.node}"
    link = next((one for one in links if one.node == peer.node), None)
    if link is None:
        return ok(name, "no link is wanted now, so nothing is known; one comes with the first common room")
    if link.state == "up":
        rtt = "" if link.rtt_ms is None else f", {link.rtt_ms:.1f} ms"
        return ok(name, f"the link is up{rtt}")
    cure = f"let UDP through to the media ports of {peer.node} and of this node (media.port), both ways"
    failed = f", last failure {link.reason}" if link.reason else ""
    return warn(name, f"the link is {link.state} for {link.age_s:.0f} s{failed}", cure)


async def check_clock(peer: MemberReport) -> Check:
    """Whether a peer's clock agrees with this machine's."""
    name = f"clock:{peer.node}"
    try:
        clock = await read_clock(peer.url)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        reason = str(error) or type(error).__name__
        return warn(name, f"{peer.url} does not say its time: {reason}", f"curl -i {peer.url}/healthz")
    return judge_clock(name, clock)


def judge_clock(name: str, clock: Clock) -> Check:
    """Say whether a difference matters."""
    sure_s = max(0.0, abs(clock.offset_s) - clock.error_s)
    said = f"{clock.offset_s:+.1f} s against this machine, +/- {clock.error_s:.1f}"
    cure = "synchronise both machines (chrony, systemd-timesyncd): tokens are refused at a minute's difference"
    if sure_s >= CLOCK_FAIL_S:
        return fail(name, said, cure)
    return warn(name, said, cure) if sure_s >= CLOCK_WARN_S else ok(name, said)


async def read_clock(url: str) -> Clock:
    """Ask a node for its time.

    Raises:
        httpx.HTTPError: It does not answer.
        ValueError: It does not say.
    """
    try:
        with trio.fail_after(HTTP_DEADLINE_S):
            async with httpx.AsyncClient(timeout=HTTP_DEADLINE_S, trust_env=False) as client:
                before = datetime.now(UTC)
                # The head is enough; a body need not end.
                async with client.stream("GET", f"{url.rstrip('/')}/healthz") as answer:
                    after = datetime.now(UTC)
                    said = answer.headers.get("date")
    except trio.TooSlowError:
        raise ValueError(f"no answer within {HTTP_DEADLINE_S:.0f} s") from None
    theirs = _read_date(said)
    ours = before + (after - before) / 2
    return Clock(
        offset_s=(theirs - ours).total_seconds(),
        error_s=0.5 + (after - before).total_seconds() / 2,
    )


def _read_date(said: str | None) -> datetime:
    """Read the header `Date`.

    Raises:
        ValueError: There is none, or it names no moment.
    """
    if said is None:
        raise ValueError("its answer has no Date")
    try:
        # Cut to whole seconds: on average half a second of it is missing.
        read = parsedate_to_datetime(said) + timedelta(seconds=0.5)
    except OverflowError:
        raise ValueError(f"its Date is {said!r}") from None
    if read.tzinfo is None:
        raise ValueError(f"its Date has no time zone: {said!r}")
    return read


async def check_each(
    peers: tuple[MemberReport, ...], links: tuple[LinkReport, ...], gossip_key: str | None
) -> tuple[Check, ...]:
    """Look at each living peer, several at a time; the order is that of the peers."""
    found: dict[str, tuple[Check, ...]] = {}
    limit = trio.CapacityLimiter(AT_A_TIME)

    async def look(peer: MemberReport) -> None:
        async with limit:
            udp = await check_gossip_udp(peer.node, peer.address, gossip_key)
            found[peer.node] = (udp, check_media_udp(peer, links), await check_clock(peer))

    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(look, peer)
    return tuple(check for peer in peers for check in found[peer.node])
