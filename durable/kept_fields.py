"""A record that is changed by an older version than wrote it: what that version does not know stays as it is."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["rewritten"]


def rewritten(body: bytes, record: msgspec.Struct) -> bytes:
    """The body of a document with a record written over it, field by field, also inside of records in it.

    Args:
        body: the document as it was read: JSON, an object.
        record: what it is to say; a field that is no record itself is replaced as a whole.

    Raises:
        msgspec.DecodeError: the body is no such document.
    """
    return msgspec.json.encode(_over(msgspec.json.decode(body, type=dict[str, Any]), record))


def _over(fields: dict[str, Any], record: msgspec.Struct) -> dict[str, Any]:
    changed = dict(fields)
    for name, value in zip(record.__struct_encode_fields__, msgspec.structs.astuple(record), strict=True):
        within = fields.get(name)
        if isinstance(value, msgspec.Struct) and isinstance(within, dict):
            changed[name] = _over(within, value)
        else:
            changed[name] = value
    return changed
