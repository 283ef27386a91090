"""Hypothesis strategies for messages, read off their types, so that a new field is tested the day it comes."""

from __future__ import annotations

from typing import Any

import msgspec.inspect as mi
from hypothesis import strategies as st

MAX_GENERATED = 20
"""Characters and items that a generated message has at most where its type allows more."""


def messages(kind: Any) -> st.SearchStrategy[Any]:
    """Generate values of ``kind``: a Struct, a union of them, or a field's type."""
    return _of(mi.type_info(kind))


def _of(info: mi.Type) -> st.SearchStrategy[Any]:
    match info:
        case mi.UnionType(types=types):
            return st.one_of([_of(each) for each in types])
        case mi.StructType(cls=cls, fields=fields, array_like=array_like):
            values = {field.name: _of(field.type) for field in fields}
            if array_like:
                return st.tuples(*values.values()).map(lambda items: cls(*items))
            return st.fixed_dictionaries(values).map(lambda kwargs: cls(**kwargs))
        case mi.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True)
        case mi.StrType(min_length=low, max_length=high):
            return st.text(
                st.characters(codec="utf-8"), min_size=low or 0, max_size=min(high or MAX_GENERATED, MAX_GENERATED)
            )
        case mi.BytesType():
            return st.binary(max_size=MAX_GENERATED)
        case mi.BoolType():
            return st.booleans()
        case mi.IntType(ge=low, le=high):
            return st.integers(low if low is not None else -(2**53), high if high is not None else 2**53)
        case mi.FloatType(gt=low) if low is not None:
            return st.floats(low, exclude_min=True, allow_nan=False, allow_infinity=False)
        case mi.FloatType(ge=low, le=high):
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case mi.NoneType():
            return st.none()
        case mi.LiteralType(values=values):
            return st.sampled_from(values)
        case mi.VarTupleType(item_type=item):
            return st.lists(_of(item), max_size=3).map(tuple)
        case mi.DictType(key_type=key, value_type=value):
            return st.dictionaries(_of(key), _of(value), max_size=3)
        case mi.AnyType():
            return st.recursive(
                st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                max_leaves=5,
            )
        case _:
            raise NotImplementedError(f"no strategy for {info}")
