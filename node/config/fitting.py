"""What a key takes, as a clause for people: its kind, its range, and a line that would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.inspect import (
    BoolType,
    FloatType,
    IntType,
    Metadata,
    NoneType,
    StrType,
    UnionType,
    VarTupleType,
    type_info,
)

from node.config.sources import dotted

if TYPE_CHECKING:
    from msgspec.inspect import Type

    from node.config.sources import Key

__all__ = ["what_fits"]

NEAR_ZERO: Final = 1
"""For an example where the default is unset."""


def what_fits(key: Key, hint: object, default: object) -> str:
    """Say what the key takes, as in ``it takes a whole number from 0 to 65535, such as http.port = 8080``.

    Args:
        key: Section and key.
        hint: Its type with its range.
        default: What it is where nothing is set; the example, unless it is empty.
    """
    kind, form = _present(type_info(hint))
    example = _example(kind, default)
    such_as = "node.example.toml has more" if example is None else f"such as {dotted(key)} = {example}"
    return f"it takes {_noun(kind)}{form}, {such_as}"


def _present(kind: Type) -> tuple[Type, str]:
    """The type of a key that may be unset, where it is set; and its form, if it says one."""
    if isinstance(kind, Metadata):
        return kind.type, f" of {(kind.extra_json_schema or {})['description']}"
    if isinstance(kind, UnionType):
        return next(one for one in kind.types if not isinstance(one, NoneType)), ""
    return kind, ""


def _noun(kind: Type) -> str:
    match kind:
        case IntType():
            return f"a whole number{_range(kind)}"
        case FloatType():
            return f"a number{_range(kind)}"
        case BoolType():
            return "true or false"
        case VarTupleType():
            return "a list of texts"
        case _:
            return "a text"


def _range(kind: IntType | FloatType) -> str:
    low, high = kind.ge, kind.le
    if low is None or high is None:
        return ""
    return f" from {_digits(low)} to {_digits(high)}"


def _digits(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _example(kind: Type, default: object) -> str | None:
    """The default as TOML; something else within the range where that says nothing."""
    match kind:
        case BoolType():
            return "true"
        case IntType() | FloatType() if isinstance(default, int | float):
            return str(default)
        case IntType() | FloatType():
            return str(NEAR_ZERO)
        case VarTupleType():
            return '["a", "b"]'
        case StrType() if isinstance(default, str) and default:
            return f'"{default}"'
        case _:
            return None
