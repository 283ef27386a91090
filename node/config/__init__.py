"""Settings: records with defaults, and how they are read.

- :mod:`node.config.records`: one frozen record a section; names, types, ranges, defaults.
- :mod:`node.config.sources`: flag, environment, file as flat (section, key) values that remember
  where they came from.
- :mod:`node.config.load`: puts them together and says what is wrong in one sentence.
- :mod:`node.config.fitting`: what a key takes, for that sentence.
- :mod:`node.config.rules`: what must hold between keys.
- :mod:`node.config.derived`: values that depend on the machine or on other keys.

``node.example.toml`` tells the same to operators; a test keeps both equal.
"""

from node.config.errors import ConfigError
from node.config.load import load_config
from node.config.records import (
    AccountsConfig,
    Config,
    HttpConfig,
    LogConfig,
    MediaConfig,
    MeshConfig,
    NodeConfig,
    RoomsConfig,
    StoreConfig,
    TokensConfig,
)

__all__ = [
    "AccountsConfig",
    "Config",
    "ConfigError",
    "HttpConfig",
    "LogConfig",
    "MediaConfig",
    "MeshConfig",
    "NodeConfig",
    "RoomsConfig",
    "StoreConfig",
    "TokensConfig",
    "load_config",
]
