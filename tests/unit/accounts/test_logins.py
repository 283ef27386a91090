from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from accounts.logins import LOGIN_PATTERN, fold_login, normal_password
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("login", "folded"),
    [
        ("Ann", "ann"),
        (" ann ", "ann"),
        ("A.nn+x@Example.ORG", "a.nn+x@example.org"),
        ("a1", "a1"),
        ("x" * 64, "x" * 64),
    ],
)
def test_logins_are_folded(login: str, folded: str) -> None:
    assert fold_login(login) == folded


@pytest.mark.parametrize("login", ["", "a", "x" * 65, ".ann", "ann smith", "änn", "ann\n2", "ann\x00", "а" * 5, "an:n"])  # noqa: RUF001 - a Cyrillic a
def test_what_is_no_login_is_refused(login: str) -> None:
    with pytest.raises(Refused) as caught:
        fold_login(login)
    assert caught.value.code is ErrorCode.LOGIN_INVALID


# The long s and the Kelvin sign fold to ASCII letters, the sharp s to two of them.
letters = st.text("aZ1._@+- \u00df\u017f\u212a\u00e9\n", max_size=6)


def check_folding(fold: Callable[[str], str], login: str) -> None:
    try:
        folded = fold(login)
    except Refused:
        return
    assert LOGIN_PATTERN.fullmatch(folded)
    assert fold(folded) == folded == fold(login.upper()) == fold(f" {login}")


@given(login=letters | st.text(max_size=70))
def test_folding_is_done_once_and_gives_a_login_or_a_refusal(login: str) -> None:
    check_folding(fold_login, login)


def fold_nothing(login: str) -> str:
    fold_login(login)
    return login


def fold_half(login: str) -> str:
    fold_login(login)
    return login.strip()[:1].casefold() + login.strip()[1:]


@pytest.mark.parametrize("mutant", [fold_nothing, fold_half])
def test_a_folding_that_is_none_is_found_out(mutant: Callable[[str], str]) -> None:
    @settings(max_examples=1000, database=None, derandomize=True, phases=[Phase.generate])
    @given(login=letters)
    def check(login: str) -> None:
        check_folding(mutant, login)

    with pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize("password", ["", "x" * 9, "x" * 257, "Ann.Smith10", "ann.smith10"])
def test_unfit_passwords_are_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(Refused) as caught:
        normal_password(password, login="ann.smith10")
    assert caught.value.code is ErrorCode.PASSWORD_UNFIT
    assert not password or password not in caught.value.message


def test_a_password_is_the_same_on_every_keyboard() -> None:
    assert normal_password("Schlüssel-Bund", login="x") == normal_password("Schlu\u0308ssel-Bund", login="x")
