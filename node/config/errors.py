"""A setting that cannot be used."""

from __future__ import annotations

from typing import Final

EXIT_CODE: Final = 78
"""``EX_CONFIG`` of BSD's sysexits: the operator has to change something."""


class ConfigError(Exception):
    """The settings are wrong. ``message`` names the key, where it came from, and the next step."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
