"""CBOR as we take it from others: small, plain and typed.

A few bytes of hostile CBOR can decode to a billion items, a compiled regular expression or an
integer that takes half a minute (measured on cbor2 6.2). So the size is capped first, every tag
is refused, and so are indefinite lengths, duplicate keys and deep nesting; only then is the value
converted to a type.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final, TypeVar, cast, overload

import cbor2
import msgspec

T = TypeVar("T")

MAX_DEPTH: Final = 16
"""Nesting that the deepest message of ours does not half reach."""

_BUILTIN_TAGS: Final = (*range(6), *range(25, 45), 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""Tags that cbor2 decodes on its own unless overridden (its table of semantic decoders)."""


class GarbledError(ValueError):
    """The bytes are not a message of the expected type."""


def _refuse_tag(decoder: object, *_: object) -> Any:  # noqa: ANN401 - cbor2's signature
    raise GarbledError("CBOR tags are not used here")


_REFUSE_BUILTIN: Final = dict.fromkeys(_BUILTIN_TAGS, _refuse_tag)


def encode(value: object) -> bytes:
    """Encode a Struct, or what is made of builtins, definite lengths throughout."""
    return cbor2.dumps(msgspec.to_builtins(value, builtin_types=(bytes,)))


@overload
def decode(data: bytes, kind: type[T], *, max_bytes: int) -> T: ...
@overload
def decode(data: bytes, kind: Any, *, max_bytes: int) -> Any: ...  # noqa: ANN401 - a union is no type[T]
def decode(data: bytes, kind: Any, *, max_bytes: int) -> Any:
    """Decode ``data`` as a ``kind`` (a Struct, a union of tagged ones, a list of them...).

    Args:
        data: The encoded message, whole.
        kind: What msgspec is to convert to.
        max_bytes: Longer input is refused unread.

    Raises:
        GarbledError: It is too long, not CBOR as we use it, or not a ``kind``.
    """
    if len(data) > max_bytes:
        raise GarbledError(f"{len(data)} bytes where at most {max_bytes} are taken")
    try:
        source = BytesIO(data)
        plain = cbor2.load(
            source,
            tag_hook=_refuse_tag,
            semantic_decoders=cast("Any", _REFUSE_BUILTIN),
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
        if source.tell() != len(data):
            raise GarbledError("more than one item")
        return msgspec.convert(plain, kind, builtin_types=(bytes,))
    except GarbledError:
        raise
    except (cbor2.CBORError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise GarbledError(str(error)) from error
