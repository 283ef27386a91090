"""What does not fit in a message or a body, in words for people: the decoder's own speak of its types and paths.

    Expected `int`, got `str` - at `$.attempt`   ->   `attempt` has to be a whole number, and is text

No value is repeated: it may be a password. The name of a field that there is not is the sender's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import msgspec

__all__ = ["plain_words"]

NOUNS: Final[Mapping[str, str]] = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
    "bytes": "bytes",
    "datetime": "a time",
}

_PATH: Final = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")


def _nouns(kinds: str) -> str:
    return " or ".join(NOUNS.get(kind.strip(), kind.strip()) for kind in kinds.split("|"))


def _kind(found: re.Match[str]) -> str:
    return f"has to be {_nouns(found['wanted'])}, and is {_nouns(found['got'])}"


_BOUNDS: Final[Mapping[str, str]] = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def _bound(found: re.Match[str]) -> str:
    return f"has to be {_BOUNDS[found['sign']]} {found['bound'].removesuffix('.0')}"


def _length(found: re.Match[str]) -> str:
    unit = "characters" if found["wanted"].startswith("str") else "entries"
    bound = {">=": "at least", "<=": "at most"}.get(found["sign"] or "", "just")
    return f"has to have {bound} {found['bound']} {unit}"


_SHAPES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`"), _kind),
    (re.compile(r"Expected `(?P<wanted>[^`]+)` of length (?P<sign>[<>]=)? ?(?P<bound>\d+)"), _length),
    (re.compile(r"Expected `(?P<wanted>[^`]+)` of at least length (?P<bound>\d+)(?P<sign>.{0})"), _length),
    (re.compile(r"Expected `[^`]+` (?P<sign>[<>]=?) (?P<bound>\S+)"), _bound),
    (re.compile(r"Expected `[^`]+` matching regex .*", re.DOTALL), lambda _: "is not of the form that it has to have"),
    (re.compile(r"Object missing required field `(?P<field>[^`]+)`"), lambda found: f"lacks `{found['field']}`"),
    (
        re.compile(r"Object contains unknown field `(?P<field>.*)`", re.DOTALL),
        lambda found: f"has no field `{found['field']}`",
    ),
    (re.compile(r"Invalid (enum )?value '.*'", re.DOTALL), lambda _: "is none of the words that it may be"),
    (re.compile(r"(Number|Integer value) out of range"), lambda _: "is too large or too small a number"),
)


def plain_words(error: msgspec.ValidationError, whole: str = "it") -> str:
    """Say what does not fit, as a clause.

    Args:
        error: What the decoder says.
        whole: The noun for all of it, where no field of it is meant.
    """
    text = str(error)
    at = _PATH.search(text)
    path = at["path"].lstrip(".") if at else ""
    said = text[: at.start()] if at else text
    subject = f"`{path}`" if path else whole
    for shape, words in _SHAPES:
        found = shape.fullmatch(said)
        if found:
            return f"{subject} {words(found)}"
    return f"{subject} does not fit"
