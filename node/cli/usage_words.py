"""What is wrong with an argument, in our words: the library that reads them speaks of input, values and parsing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["in_our_words"]

WORDS: Final[Sequence[tuple[re.Pattern[str], str]]] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Value error, ", ""),
        (r"Input should be a valid number\b[^:]*", "it has to be a number"),
        (r"Input should be a valid integer\b[^:]*", "it has to be a whole number"),
        (r"Input should be a valid boolean\b[^:]*", "it has to be true or false"),
        (r"Input should be a finite number", "it has to be a number"),
        (r"Input should be greater than or equal to (\S+)", r"it has to be at least \1"),
        (r"Input should be less than or equal to (\S+)", r"it has to be at most \1"),
        (r"Input should be greater than (\S+)", r"it has to be more than \1"),
        (r"Input should be less than (\S+)", r"it has to be less than \1"),
        (r"Input should be a valid (\w+)\b[^:]*", r"it has to be a \1"),
        (r"Input should be ", "it has to be "),
        (r"Invalid value for (\S+):", r"\1:"),
    )
)


def in_our_words(message: str) -> str:
    """Say it; what is none of these stays as it is."""
    for pattern, words in WORDS:
        message = pattern.sub(words, message)
    return message
