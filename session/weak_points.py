"""Public keys of Ed25519 under which anybody can sign: the eight points of small order.

The check of a signature multiplies the public key by a number that the signer influences. With a point
whose order divides 8 that product takes at most eight values, so a signature is found by a few tries,
without any private key (RFC 8032, section 8.7; Chalkias et al., "Taming the many EdDSAs", 2020).
OpenSSL takes such keys, all zeros among them, so we look for them when a key is configured.
"""

from __future__ import annotations

from typing import Final

__all__ = ["is_weak"]

FIELD: Final = 2**255 - 19

_EIGHTH: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7

_WEAK_Y: Final = frozenset({0, 1, FIELD - 1, _EIGHTH, FIELD - _EIGHTH})
"""Their second coordinates; orders 4, 1, 2 and twice 8."""


def is_weak(public_key: bytes) -> bool:
    """Say whether 32 raw bytes are a point of small order, in whatever spelling."""
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    return y % FIELD in _WEAK_Y
