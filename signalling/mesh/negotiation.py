"""What two nodes say by gossip to set up their link, and nothing more.

CBOR arrays inside Serf user events: a constant short event name, at most
:data:`MAX_EVENT_BYTES` on the wire, fields only ever appended. Anyone with the gossip key can
send anything, so every envelope is signed by its sender's node key, over its own encoding with an empty
signature. Events arrive out of order, twice, late, or not at all: each carries an id, its
sender's boot and sequence, and an expiry.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from signalling.ids import NodeId

MESH_VERSION: Final = 1
"""The version of the envelope; a higher one is refused by `reject`."""

MAX_LANE: Final = 63
"""Lanes beside the plain one, as the engine has them."""

TARGET_EVENT_BYTES: Final = 350
"""What an offer should measure: the whole cluster carries about 5 events/s at 400 B (measured)."""

MAX_EVENT_BYTES: Final = 900
"""Hard cap: Serf's own message must stay below one UDP packet with its header and name."""


class _Body(msgspec.Struct, frozen=True, array_like=True):
    """A body of an envelope, a CBOR array whose first item is the integer tag."""


class LinkParameters(msgspec.Struct, frozen=True, array_like=True):
    """What one end of a link must know of the other; a link needs no SDP.

    Attributes:
        ufrag: ICE user fragment, 4-32 characters.
        password: ICE password, 22-64 characters.
        fingerprint: SHA-256 of the DTLS certificate, 32 raw bytes.
        candidates: ICE candidates, each as ``<kind> <address> <port>`` (kind host or srflx).
    """

    ufrag: str
    password: str
    fingerprint: bytes
    candidates: tuple[str, ...]


class LinkOffer(_Body, frozen=True, tag=1):
    """I want a link: here is my end of it. The offerer is the ICE controlling side.

    Attributes:
        parameters: Of this end.
        beside: Message id of the offer that the link came of which this one is to take the place of, once it is up;
            empty where there is none.
        lane: Which of several links between the same two sockets it is, 0 to :data:`MAX_LANE`.
    """

    parameters: LinkParameters
    beside: bytes = b""
    lane: int = 0


class LinkAnswer(_Body, frozen=True, tag=2):
    """Yes: here is mine. Answers the offer whose message id is the envelope's correlation id.

    Attributes:
        parameters: Of this end.
        lane: The offer's; who knows of none says 0.
    """

    parameters: LinkParameters
    lane: int = 0


class LinkReject(_Body, frozen=True, tag=3):
    """No, for this reason (a stable code): do not ask again before ``retry_after_s``."""

    code: str
    retry_after_s: int


class LinkBye(_Body, frozen=True, tag=4):
    """Our link ends, for this reason (a stable code)."""

    code: str


Body: TypeAlias = LinkOffer | LinkAnswer | LinkReject | LinkBye


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """One negotiation message.

    Attributes:
        version: :data:`MESH_VERSION` of the sender.
        cluster: Name of the cluster; events of another are none of ours.
        sender: Stable id of the sending node.
        receiver: Stable id of the node that this is for.
        message_id: 8 random bytes; a retry repeats it.
        correlation_id: ``message_id`` of what this answers, empty when it answers nothing.
        incarnation: The sender's boot counter.
        sequence: Counts the sender's messages of this boot; a replay window, never an order.
        expires_ms: Milliseconds since 1970 after which this is garbage.
        body: What is said.
        signature: Ed25519 by the sender's node key, 64 bytes; empty while it is being signed.
    """

    version: int
    cluster: str
    sender: NodeId
    receiver: NodeId
    message_id: bytes
    correlation_id: bytes
    incarnation: int
    sequence: int
    expires_ms: int
    body: Body
    signature: bytes = b""
