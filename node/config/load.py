"""Put the sources together into one :class:`~node.config.records.Config`, or say what is wrong.

Each value is converted on its own, so that an error can name its key and its origin. Precedence:
flag, environment, file, default.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from node.config.derived import Machine, derive, read_machine
from node.config.errors import ConfigError
from node.config.fitting import what_fits
from node.config.records import Config, Section
from node.config.rules import check_rules
from node.config.sources import (
    FILE_VARIABLE,
    Key,
    Setting,
    dotted,
    from_environment,
    from_file,
    from_flags,
    from_set,
)
from signalling.plain_words import plain_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECTIONS: Final[Mapping[str, type[Section]]] = MappingProxyType(get_type_hints(Config))

KEY_TYPES: Final[Mapping[Key, object]] = MappingProxyType(
    {
        (section, key): hint
        for section, record in SECTIONS.items()
        for key, hint in get_type_hints(record, include_extras=True).items()
    }
)
"""The type of every key, with its range."""

DEFAULTS: Final[Mapping[Key, object]] = MappingProxyType(
    {(section, key): getattr(record(), key) for section, record in SECTIONS.items() for key in get_type_hints(record)}
)
"""What a key is where nothing is set."""

_NO_FLAGS: Final[Mapping[Key, object]] = MappingProxyType({})


def load_config(
    *,
    file: Path | None = None,
    flags: Mapping[Key, object] = _NO_FLAGS,
    extra: Iterable[tuple[Key, str]] = (),
    environment: Mapping[str, str],
    machine: Machine | None = None,
) -> Config:
    """Read, check and complete the settings.

    Args:
        file: The file to read; without it the one that ``STARLING_CONFIG`` names, if any.
        flags: What was given on the command line, by section and key.
        extra: What ``--set`` said, as text; wins over all else.
        environment: Usually ``os.environ``.
        machine: What derived values are made of; read from this machine when not given.

    Raises:
        ConfigError: The first thing that is wrong, in one sentence.
    """
    if file is None and environment.get(FILE_VARIABLE):
        file = Path(environment[FILE_VARIABLE])
    settings: dict[Key, Setting] = {}
    # Later ones win.
    for source in (
        from_file(file) if file is not None else {},
        from_environment(environment),
        from_flags(flags),
        from_set(extra),
    ):
        for key, setting in source.items():
            _check_known(key, setting)
            if key[1]:
                settings[key] = setting
    config = _build(settings)
    check_rules(config, {key: setting.origin for key, setting in settings.items()})
    return derive(config, machine or read_machine(environment))


def _build(settings: Mapping[Key, Setting]) -> Config:
    values: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, setting in settings.items():
        values[key[0]][key[1]] = _convert(key, setting)
    return msgspec.convert(values, Config)


def _convert(key: Key, setting: Setting) -> object:
    hint = KEY_TYPES[key]
    value = setting.value
    if setting.is_text and isinstance(value, str) and _is_list(hint):
        value = [item.strip() for item in value.split(",") if item.strip()]
    try:
        return msgspec.convert(value, hint, strict=not setting.is_text)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{dotted(key)} from {setting.origin} is {_show(value)}: {_explain(key, hint, error)}"
        ) from None


def _is_list(hint: object) -> bool:
    return hint == tuple[str, ...]


def _check_known(key: Key, setting: Setting) -> None:
    section, name = key
    if key in KEY_TYPES or (section in SECTIONS and not name):
        return
    if section in SECTIONS:
        near = _nearest(name, (known for owner, known in KEY_TYPES if owner == section))
        hint = f"did you mean {section}.{near}?" if near else f"[{section}] has {_keys_of(section)}"
    elif not section and name in SECTIONS:
        raise ConfigError(f"{name} from {setting.origin} has to be a table: write [{name}]")
    elif section:
        near = _nearest(section, SECTIONS)
        hint = f"did you mean [{near}]?" if near else f"the sections are {', '.join(SECTIONS)}"
    else:
        owners = [owner for owner, known in KEY_TYPES if known == name]
        near = _nearest(name, (dotted(known) for known in KEY_TYPES))
        if owners:
            near = f"{owners[0]}.{name}"
        hint = f"did you mean {near}?" if near else f"every key is in one of {', '.join(SECTIONS)}"
    raise ConfigError(f"unknown key {dotted(key)} from {setting.origin}: {hint}")


def _keys_of(section: str) -> str:
    return ", ".join(known for owner, known in KEY_TYPES if owner == section)


def _nearest(word: str, known: Iterable[str]) -> str | None:
    matches = difflib.get_close_matches(word, list(known), n=1)
    return matches[0] if matches else None


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _explain(key: Key, hint: object, error: msgspec.ValidationError) -> str:
    if get_origin(hint) is Literal:
        return f"it must be one of {', '.join(map(str, get_args(hint)))}"
    return f"{plain_words(error)}; {what_fits(key, hint, DEFAULTS[key])}"
