"""What a node says about itself in gossip, and its form on the wire.

Serf carries a map of strings per member, at most 512 bytes encoded, and every change of it is a broadcast
to the whole cluster: so tags hold slow facts only, under one-letter names.  Decoding is strict and never
raises: a member whose tags do not hold is an `UnusableTags` with a stable reason, to be listed, not obeyed.
"""

from __future__ import annotations

import base64
import binascii
import enum
import ipaddress
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from membership.members.certificate import CERTIFICATE_TAG, statement
from signalling.ids import NodeId, is_node_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "MAX_TAGS_BYTES",
    "OPTIONAL_TAGS",
    "AgentKind",
    "LoadClass",
    "NodeState",
    "NodeTags",
    "UnusableTags",
    "decode_tags",
    "encode_tags",
    "encoded_size_bytes",
    "is_cluster_name",
    "serf_name",
]

MAX_TAGS_BYTES = 512
"""Serf refuses a member whose encoded tags are larger (memberlist's limit for node meta data)."""

OPTIONAL_TAGS = ("e", "f", "g", "m", "t", "x", "y")
"""Names that an encoding may lack, so that a change of tags has to delete them."""

MAX_BOOT = 2**53 - 1
"""Boots are read by JSON clients, whose integers are exact up to here."""

MAX_PRICE_MS = 10_000
"""A price at which nobody asks the node who has any other way."""

MAX_MEDIA_ADDRESSES = 8
MAX_URL_CHARACTERS = 200
PUBLIC_KEY_BYTES = 32
CERTIFICATE_BYTES = 64

_CLUSTER = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,30}[A-Za-z0-9])?", re.ASCII)
_INTEGER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_DEGREES = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,4})?", re.ASCII)
_URL = re.compile(r"https?://[!-~]+", re.ASCII)


class NodeState(enum.Enum):
    """Whether a node takes new clients; the value is its form on the wire."""

    SERVING = "s"
    DRAINING = "d"


ID_TAG = "i"
"""The tag with the stable node id."""


class AgentKind(enum.Enum):
    """Whose agent speaks for a node; the value is its form on the wire, which own ones go without."""

    OWN = ""
    EXTERNAL = "e"
    """Somebody else's: its Serf name is the node's id, and it outlives the node."""
    VACATED = "v"
    """An external one whose node has ended in good order."""


class LoadClass(enum.Enum):
    """Coarse load, so that it changes seldom; the value is its form on the wire, growing with the load."""

    LOW = "0"
    BUSY = "1"
    HIGH = "2"
    FULL = "3"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeTags:
    """One node's own description.

    Attributes:
        cluster: name of the cluster the node belongs to.
        node_id: its stable id.
        boot: number of the node process' start, ordered; its incarnation in signed messages.
        agent_boot: number of the agent's start, ordered, >= `boot`; part of its Serf name.
        role: what the node is for, `media` for one that takes clients.
        region: free name of the place it serves.
        latitude: degrees north, 4 decimals (11 m); None when the operator gave no position.
        longitude: degrees east; None exactly when `latitude` is.
        residency: tag of the place whose rules its data is under, such as `eu`; None when the operator says none.
        transit_price_ms: what media that it passes on between others costs, as milliseconds of their way.
        public_url: where clients reach it, `http(s)://host[:port]`.
        media_addresses: `ip:port` (IPv6 in brackets) of its media sockets.
        protocol_min: lowest mesh protocol it speaks.
        protocol_max: highest mesh protocol it speaks.
        state: serving or draining.
        eligible: whether it takes new clients; one that does not keeps those it has.
        load: coarse load class.
        agent: whose agent it is.
        public_key: raw Ed25519 public key (32 bytes) that signs its mesh messages.
        certificate: the cluster key's signature (64 bytes) over all the other tags; None on a lone node.
    """

    cluster: str
    node_id: NodeId
    boot: int = 0
    agent_boot: int = 0
    role: str
    region: str
    latitude: float | None = None
    longitude: float | None = None
    residency: str | None = None
    transit_price_ms: int = 0
    public_url: str
    media_addresses: tuple[str, ...] = ()
    protocol_min: int = 1
    protocol_max: int = 1
    state: NodeState = NodeState.SERVING
    eligible: bool = True
    load: LoadClass = LoadClass.LOW
    agent: AgentKind = AgentKind.OWN
    public_key: bytes
    certificate: bytes | None = None

    @property
    def serf_name(self) -> str:
        """The only name under which a member may say this."""
        return serf_name(self.node_id, self.agent_boot) if self.agent is AgentKind.OWN else self.node_id

    def stamped(self, *, boot: int, agent_boot: int, agent: AgentKind = AgentKind.OWN) -> NodeTags:
        """The same tags under these boots, of such an agent."""
        return replace(self, boot=boot, agent_boot=agent_boot, agent=agent)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnusableTags:
    """Why a member's tags cannot be used.

    Attributes:
        code: `tags_missing` (not one of ours), `tags_malformed`, `tags_too_large`.
        message: which tag, and what is wrong with it.
    """

    code: str
    message: str


def is_cluster_name(text: str) -> bool:
    """Whether `text` may name a cluster: 1-32 of a-z, 0-9, '-' and '.', no edge punctuation."""
    return _CLUSTER.fullmatch(text) is not None


def serf_name(node_id: NodeId, agent_boot: int) -> str:
    """The name an agent has in gossip: fresh per start, because Serf ignores a returning name on a new address."""
    return f"{node_id}-{agent_boot}"


def encode_tags(tags: NodeTags, *, certify: Callable[[bytes], bytes] | None = None) -> dict[str, str]:
    """Tags as Serf carries them.

    Args:
        tags: what is said.
        certify: signs with the cluster's key (64 bytes); without it the certificate of `tags` goes along, if any.

    Raises:
        ValueError: a field is outside of its range, or all together exceed `MAX_TAGS_BYTES`.
    """
    wire = {
        "c": tags.cluster,
        ID_TAG: tags.node_id,
        "b": str(tags.boot),
        "a": str(tags.agent_boot),
        "o": tags.role,
        "r": tags.region,
        "u": tags.public_url,
        "p": f"{tags.protocol_min}-{tags.protocol_max}",
        "s": tags.state.value,
        "l": tags.load.value,
        "k": _to_base64(tags.public_key),
    }
    if tags.latitude is not None and tags.longitude is not None:
        wire["g"] = f"{tags.latitude:.4f},{tags.longitude:.4f}"
    if tags.residency is not None:
        wire["e"] = tags.residency
    if tags.transit_price_ms:
        wire["f"] = str(tags.transit_price_ms)
    if not tags.eligible:
        wire["t"] = "0"
    if tags.media_addresses:
        wire["m"] = ",".join(tags.media_addresses)
    if tags.agent is not AgentKind.OWN:
        wire["y"] = tags.agent.value
    certificate = tags.certificate if certify is None else certify(statement(wire))
    if certificate is not None:
        wire[CERTIFICATE_TAG] = _to_base64(certificate)
    # One set of rules: what a peer would refuse is never sent.
    decoded = decode_tags(wire)
    if isinstance(decoded, UnusableTags):
        raise ValueError(decoded.message)
    if (tags.latitude is None) != (tags.longitude is None):
        raise ValueError("latitude and longitude come together or not at all")
    return wire


def encoded_size_bytes(wire: Mapping[str, str]) -> int:
    """Size of tags in gossip: one type byte and a map in the old msgpack form without str8."""
    texts = [text.encode() for pair in wire.items() for text in pair]
    head = 1 if len(wire) < 16 else 3
    return 1 + head + sum(len(text) + (1 if len(text) < 32 else 3) for text in texts)


def decode_tags(wire: Mapping[str, str]) -> NodeTags | UnusableTags:
    """Read a member's tags; unknown names are ignored, so that newer nodes may say more."""
    if "c" not in wire or "i" not in wire:
        return UnusableTags(code="tags_missing", message="no cluster name or node id: not one of our nodes")
    try:
        if encoded_size_bytes(wire) > MAX_TAGS_BYTES:
            return UnusableTags(code="tags_too_large", message=f"tags exceed {MAX_TAGS_BYTES} bytes")
        latitude, longitude = _position(wire.get("g"))
        protocol_min, protocol_max = _protocol_range(_required(wire, "p"))
        return NodeTags(
            cluster=_matching(wire, "c", _CLUSTER),
            node_id=_node_id(wire),
            boot=_integer(wire, "b"),
            agent_boot=_integer(wire, "a"),
            role=_matching(wire, "o", _WORD),
            region=_matching(wire, "r", _WORD),
            latitude=latitude,
            longitude=longitude,
            residency=_matching(wire, "e", _CLUSTER) if "e" in wire else None,
            transit_price_ms=_price(wire) if "f" in wire else 0,
            public_url=_url(wire),
            media_addresses=_media_addresses(wire.get("m")),
            protocol_min=protocol_min,
            protocol_max=protocol_max,
            state=NodeState(_required(wire, "s")),
            eligible=wire.get("t") != "0",
            load=LoadClass(_required(wire, "l")),
            agent=AgentKind(wire.get("y", "")),
            public_key=_bytes(wire, "k", PUBLIC_KEY_BYTES),
            certificate=_bytes(wire, CERTIFICATE_TAG, CERTIFICATE_BYTES) if CERTIFICATE_TAG in wire else None,
        )
    except ValueError as error:
        return UnusableTags(code="tags_malformed", message=str(error))


def _required(wire: Mapping[str, str], name: str) -> str:
    try:
        return wire[name]
    except KeyError:
        raise ValueError(f"tag {name!r} is missing") from None


def _matching(wire: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> str:
    text = _required(wire, name)
    if pattern.fullmatch(text) is None:
        raise ValueError(f"tag {name!r} has the value {text[:60]!r}")
    return text


def _node_id(wire: Mapping[str, str]) -> NodeId:
    text = _required(wire, "i")
    if not is_node_id(text):
        raise ValueError(f"tag 'i' has the value {text[:60]!r}")
    return NodeId(text)


def _integer(wire: Mapping[str, str], name: str) -> int:
    number = int(_matching(wire, name, _INTEGER))
    if number > MAX_BOOT:
        raise ValueError(f"tag {name!r} is above 2^53-1")
    return number


def _price(wire: Mapping[str, str]) -> int:
    price_ms = _integer(wire, "f")
    if not 1 <= price_ms <= MAX_PRICE_MS:
        raise ValueError(f"tag 'f' is outside of 1 to {MAX_PRICE_MS}")
    return price_ms


def _url(wire: Mapping[str, str]) -> str:
    url = _matching(wire, "u", _URL)
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"tag 'u' is longer than {MAX_URL_CHARACTERS} characters")
    return url


def _position(text: str | None) -> tuple[float | None, float | None]:
    if text is None:
        return None, None
    parts = text.split(",")
    if len(parts) != 2 or not all(_DEGREES.fullmatch(part) for part in parts):
        raise ValueError(f"tag 'g' has the value {text[:60]!r}")
    latitude, longitude = float(parts[0]), float(parts[1])
    if math.fabs(latitude) > 90 or math.fabs(longitude) > 180:
        raise ValueError(f"tag 'g' is no place on earth: {text[:60]!r}")
    return latitude, longitude


def _protocol_range(text: str) -> tuple[int, int]:
    low, separator, high = text.partition("-")
    if not (separator and _INTEGER.fullmatch(low) and _INTEGER.fullmatch(high)) or int(low) > int(high):
        raise ValueError(f"tag 'p' has the value {text[:60]!r}")
    return int(low), int(high)


def _media_addresses(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    addresses = tuple(text.split(","))
    if len(addresses) > MAX_MEDIA_ADDRESSES:
        raise ValueError(f"tag 'm' names more than {MAX_MEDIA_ADDRESSES} addresses")
    for address in addresses:
        host, separator, port = address.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        is_good = _INTEGER.fullmatch(port) is not None and 1 <= int(port) <= 65535
        try:
            version = ipaddress.ip_address(host[1:-1] if bracketed else host).version
        except ValueError:
            is_good = False
        else:
            is_good = is_good and version == (6 if bracketed else 4)
        if not separator or not is_good:
            raise ValueError(f"tag 'm' has the address {address[:60]!r}")
    return addresses


def _bytes(wire: Mapping[str, str], name: str, size: int) -> bytes:
    text = _required(wire, name)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"tag {name!r} is not base64url") from None
    if len(raw) != size or _to_base64(raw) != text:
        raise ValueError(f"tag {name!r} is not base64url of {size} bytes")
    return raw


def _to_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
