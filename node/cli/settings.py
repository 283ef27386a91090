"""Options that several verbs share, and the configuration that they lead to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from node.config import ConfigError, load_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.config import Config
    from node.config.sources import Key

ConfigFile: TypeAlias = Annotated[
    Path | None,
    # Whether it can be read is said by who reads it: that is wrong configuration, and no wrong usage.
    typer.Option("--config", readable=False, help="Config file; else the one that STARLING_CONFIG names, if any."),
]
DataDir: TypeAlias = Annotated[
    Path | None, typer.Option("--data-dir", help="The node's data folder; with it no config is read by verbs that ask.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def read_settings(
    file: Path | None, flags: "Mapping[Key, object]", extra: "Sequence[tuple[Key, str]]" = ()
) -> "Config":
    """Load the configuration from this process' environment, the file and the flags that were given.

    Args:
        file: The config file, if one was named.
        flags: Values by key; those that are ``None`` were not given.
        extra: What ``--set`` said.

    Raises:
        ConfigError: Something is wrong with it.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    return load_config(file=file, flags=given, extra=extra, environment=os.environ)


def parse_setting(text: str) -> "tuple[Key, str]":
    """Take ``section.key=value`` apart.

    Raises:
        ConfigError: It is not of that form.
    """
    name, separator, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (separator and dot and section and key):
        raise ConfigError(f"--set {text!r} is not of the form section.key=value (http.port=8443)")
    return (section, key), value
