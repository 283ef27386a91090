"""Nobody reads the decoder's own words: not its types, its paths, or its patterns."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from signalling.plain_words import plain_words


class Part(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=3)] = ""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    must: bool
    attempt: Annotated[int, Meta(ge=1, le=9)] = 1
    limit: int | None = None
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    device: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"
    access: Literal["open", "pin"] = "open"
    parts: Annotated[tuple[Part, ...], Meta(max_length=2)] = ()
    by_name: dict[str, Part] = {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[]", "the body has to be an object, and is a list"),
        ("{}", "the body lacks `must`"),
        ('{"must": true, "nam": 1}', "the body has no field `nam`"),
        ('{"must": 1}', "`must` has to be true or false, and is a whole number"),
        ('{"must": true, "attempt": "x"}', "`attempt` has to be a whole number, and is text"),
        ('{"must": true, "attempt": 1.5}', "`attempt` has to be a whole number, and is a number"),
        ('{"must": true, "attempt": 0}', "`attempt` has to be at least 1"),
        ('{"must": true, "attempt": 10}', "`attempt` has to be at most 9"),
        ('{"must": true, "ratio": 1}', "`ratio` has to be less than 1"),
        ('{"must": true, "ratio": 0}', "`ratio` has to be more than 0"),
        ('{"must": true, "limit": "x"}', "`limit` has to be a whole number or null, and is text"),
        ('{"must": true, "device": "A"}', "`device` is not of the form that it has to have"),
        ('{"must": true, "access": "secret"}', "`access` is none of the words that it may be"),
        ('{"must": true, "parts": [{"name": "long"}]}', "`parts[0].name` has to have at most 3 characters"),
        ('{"must": true, "parts": [{}, {}, {}]}', "`parts` has to have at most 2 entries"),
        ('{"must": true, "by_name": {"a": {"name": 1}}}', "`by_name[...].name` has to be text, and is a whole number"),
    ],
)
def test_what_does_not_fit_is_said_in_plain_words(body: str, words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Body)
    assert plain_words(caught.value, "the body") == words


@pytest.mark.parametrize("text", ["", "Something new", "Something new - at `$.a`", "Expected - at `$`"])
def test_words_that_are_not_known_are_not_repeated(text: str) -> None:
    assert plain_words(msgspec.ValidationError(text)).endswith(" does not fit")


def test_no_value_is_repeated() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode('{"must": true, "access": "my password"}', type=Body)
    assert "password" not in plain_words(caught.value)
