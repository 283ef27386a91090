"""Where settings come from: flag, environment, file; each flat, each value with its origin.

Environment variables are ``STARLING_<SECTION>__<KEY>`` in capitals, two underscores between, as in
``STARLING_HTTP__PORT=8443``; lists are separated by commas. ``STARLING_CONFIG`` names the file
when no ``--config`` does. Other ``STARLING_`` variables without two underscores are not settings.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from node.config.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

ENVIRONMENT_PREFIX: Final = "STARLING_"
FILE_VARIABLE: Final = "STARLING_CONFIG"

MAX_FILE_BYTES: Final = 256 * 1024
"""The example with all its comments has 12 kB; more is not a configuration."""

Key: TypeAlias = tuple[str, str]
"""Section and key. A key that stands outside of every section has an empty section."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One value and its origin.

    Attributes:
        value: As the source has it; text from flags and environment.
        origin: For people: ``the flag --http-port``, ``the environment (STARLING_HTTP__PORT)``,
            ``/etc/starling/node.toml``.
        is_text: Whether a number, a truth value or a list has to be read out of text.
    """

    value: object
    origin: str
    is_text: bool


def dotted(key: Key) -> str:
    """Give the name of a key as people write it."""
    return ".".join(part for part in key if part)


def from_flags(flags: Mapping[Key, object]) -> dict[Key, Setting]:
    """Take the values given on the command line; the flag for ``http.port`` is ``--http-port``."""
    return {
        key: Setting(value=value, origin=f"the flag --{'-'.join(key).replace('_', '-')}", is_text=False)
        for key, value in flags.items()
    }


def from_set(settings: Iterable[tuple[Key, str]]) -> dict[Key, Setting]:
    """Take what was given as ``--set section.key=value``."""
    return {key: Setting(value=value, origin="the flag --set", is_text=True) for key, value in settings}


def from_environment(environment: Mapping[str, str]) -> dict[Key, Setting]:
    """Take the variables that name a setting."""
    settings: dict[Key, Setting] = {}
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX) or "__" not in variable:
            continue
        section, _, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        settings[section, key] = Setting(
            value=environment[variable], origin=f"the environment ({variable})", is_text=True
        )
    return settings


def from_file(path: Path) -> dict[Key, Setting]:
    """Read the TOML file.

    Raises:
        ConfigError: It cannot be read or is not TOML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigError(
            f"the config file {path} cannot be read: {reason}; name another with --config, or copy node.example.toml"
        ) from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"the config file {path} has more than {MAX_FILE_BYTES} bytes")
    try:
        document = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the config file {path} is not text in UTF-8 (byte {error.start + 1}): save it as UTF-8"
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"the config file {path} is not TOML: {error}") from None
    origin = str(path)
    return {key: Setting(value=value, origin=origin, is_text=False) for key, value in _flatten(document)}


def _flatten(document: Mapping[str, object]) -> Iterator[tuple[Key, object]]:
    for name, value in document.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                yield (name, key), inner
            if not value:
                yield (name, ""), None
        else:
            yield ("", name), value
