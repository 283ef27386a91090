"""Which logins and passwords are taken, and in which form."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from signalling.errors import ErrorCode, Refused

__all__ = ["MAX_PASSWORD_CHARACTERS", "MIN_PASSWORD_CHARACTERS", "fold_login", "normal_password"]

LOGIN_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")
"""Names and e-mail addresses. ASCII alone: no two logins look the same, and folding has one answer."""

MIN_PASSWORD_CHARACTERS: Final = 10
"""NIST SP 800-63B asks for 8 with a second factor and 15 without; tries are few here, see the pace of log-ins."""

MAX_PASSWORD_CHARACTERS: Final = 256
"""Room for any sentence. The hash would take more; who sends it only wants it to be worked on."""


def fold_login(login: str) -> str:
    """Give the form under which an account is kept: lower case, nothing around it.

    Raises:
        Refused: `login_invalid`.
    """
    folded = login.strip().casefold()
    if not LOGIN_PATTERN.fullmatch(folded):
        raise Refused(
            ErrorCode.LOGIN_INVALID,
            "A login has 2 to 64 letters (a to z), digits and . _ @ + -, and starts with a letter or digit.",
        )
    return folded


def normal_password(password: str, *, login: str) -> str:
    """Give a new password in the form that is hashed (NFKC): the same keys on another keyboard give the same bytes.

    Raises:
        Refused: `password_unfit`: too short, too long, or the login itself.
    """
    normal = unicodedata.normalize("NFKC", password)
    if not MIN_PASSWORD_CHARACTERS <= len(normal) <= MAX_PASSWORD_CHARACTERS:
        raise Refused(
            ErrorCode.PASSWORD_UNFIT,
            f"A password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters; three words will do.",
        )
    if normal.casefold() == login:
        raise Refused(ErrorCode.PASSWORD_UNFIT, "The password must not be the login; choose another one.")
    return normal
