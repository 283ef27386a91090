"""A negotiation message in its final form: signed, sealed into bytes, and opened again.

The signature covers the envelope as encoded with an empty signature in its place, behind a prefix
that keeps it from passing for anything else the node key signs. It is taken over what arrived, not
over what was understood of it: fields that a later version appends are covered and do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signalling import cbor
from signalling.cbor import GarbledError
from signalling.ids import is_node_id
from signalling.mesh.negotiation import MAX_EVENT_BYTES, Envelope, LinkAnswer, LinkOffer

if TYPE_CHECKING:
    from signalling.mesh.negotiation import LinkParameters

SIGNED_PREFIX: Final = b"starling/mesh-event/1\x00"
"""Says what is signed, so that no signature means two things."""

MESSAGE_ID_BYTES: Final = 8
SIGNATURE_BYTES: Final = 64
FINGERPRINT_BYTES: Final = 32
MAX_COUNTER: Final = 2**53 - 1
"""Boots and sequences end where JSON clients stop counting; no node gets there."""

_SIGNATURE_INDEX: Final = Envelope.__struct_fields__.index("signature")


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An envelope that is well-formed; whose it is remains to be seen.

    Attributes:
        envelope: What it says.
        signed: The bytes that its signature is to be over.
    """

    envelope: Envelope
    signed: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbled:
    """Bytes that are no envelope, and why."""

    message: str


def seal(envelope: Envelope, private_key: Ed25519PrivateKey) -> bytes:
    """Sign an envelope and encode it as the payload of an event.

    Raises:
        ValueError: It is longer than :data:`MAX_EVENT_BYTES`.
    """
    unsigned = msgspec.structs.replace(envelope, signature=b"")
    signature = private_key.sign(SIGNED_PREFIX + cbor.encode(unsigned))
    payload = cbor.encode(msgspec.structs.replace(unsigned, signature=signature))
    if len(payload) > MAX_EVENT_BYTES:
        raise ValueError(f"a negotiation message of {len(payload)} bytes, {MAX_EVENT_BYTES} at most")
    return payload


def open_payload(payload: bytes) -> Opened | Garbled:
    """Read the payload of an event. Never raises; what is not one of ours is a value."""
    try:
        envelope = cbor.decode(payload, Envelope, max_bytes=MAX_EVENT_BYTES)
        parts: list[Any] = cbor.decode(payload, list, max_bytes=MAX_EVENT_BYTES)
    except GarbledError as error:
        return Garbled(message=str(error))
    if (reason := _shape_fault(envelope)) is not None:
        return Garbled(message=reason)
    parts[_SIGNATURE_INDEX] = b""
    return Opened(envelope=envelope, signed=SIGNED_PREFIX + cbor.encode(parts))


def signature_holds(public_key: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether the holder of that node key (32 raw bytes) has signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _shape_fault(envelope: Envelope) -> str | None:
    if not (is_node_id(envelope.sender) and is_node_id(envelope.receiver)):
        return "sender or receiver is no node id"
    if len(envelope.signature) != SIGNATURE_BYTES:
        return "no signature"
    if len(envelope.message_id) != MESSAGE_ID_BYTES:
        return "no message id"
    counters = (envelope.version, envelope.incarnation, envelope.sequence)
    if not all(0 <= counter <= MAX_COUNTER for counter in counters):
        return "a counter out of range"
    if isinstance(envelope.body, LinkOffer | LinkAnswer):
        return _parameters_fault(envelope.body.parameters)
    return None


def _parameters_fault(parameters: LinkParameters) -> str | None:
    # RFC 8839, 5.4: ice-char only, 4 and 22 characters at least.
    for text, low, high in ((parameters.ufrag, 4, 32), (parameters.password, 22, 64)):
        if not low <= len(text) <= high or not all(c.isascii() and (c.isalnum() or c in "+/") for c in text):
            return "ICE credentials out of shape"
    if len(parameters.fingerprint) != FINGERPRINT_BYTES:
        return "the fingerprint is not SHA-256"
    return None
