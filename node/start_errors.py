"""Why a node cannot start, and which setting changes that: the parts know nothing of our settings."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from durable import StoreSetupError
from membership import GossipSetupError
from node.errors import EXIT_CONFIG, EXIT_FAILED, NodeStartError
from node.http.server import PortTakenError
from node.http.tls import CertificateError
from session import SessionSetupError
from sfu import EngineStartError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG_CODES: Final = frozenset(
    {
        "gossip_key_invalid",
        "gossip_key_required",
        "gossip_address_invalid",
        "agent_token_refused",
        "keys_missing",
        "keys_readable_by_others",
        "keys_invalid",
        "api_keys_invalid",
        "revoked_keys_invalid",
        "tags_too_large",
        "tags_invalid",
    }
)
"""Setup problems that changing the configuration cures."""

SETTING_OF: Final = MappingProxyType(
    {
        "media_port_taken": "media.port",
        "media_address_invalid": "media.address",
        "gossip_port_taken": "mesh.port",
        "gossip_address_invalid": "mesh.address",
        "gossip_key_invalid": "mesh.gossip_key_file",
        "agent_unsuitable": "mesh.rpc",
        "store_unavailable": "store.url",
        "api_keys_invalid": "tokens.api_keys_file",
        "revoked_keys_invalid": "mesh.revoked_keys_file",
        "store_file_unavailable": "node.data_dir",
    }
)
"""Where an operator changes what a part could not use; the part itself knows nothing of our settings."""

SETUP_ERRORS: Final = (
    EngineStartError,
    GossipSetupError,
    SessionSetupError,
    StoreSetupError,
    PortTakenError,
    CertificateError,
)


def start_error(group: BaseExceptionGroup[BaseException]) -> NodeStartError:
    """Turn the first setup error of a part into one that says how the program ends."""
    error = next(_leaves(group))
    if isinstance(error, NodeStartError):
        return error
    if isinstance(error, PortTakenError):
        return NodeStartError("http_port_taken", error.message)
    if isinstance(error, CertificateError):
        return NodeStartError("certificate_invalid", error.message, exit_code=EXIT_CONFIG)
    if isinstance(error, EngineStartError | GossipSetupError | SessionSetupError | StoreSetupError):
        setting = SETTING_OF.get(error.code)
        message = error.message if setting is None else f"{error.message.rstrip('.')} (the setting is {setting})"
        return NodeStartError(error.code, message, exit_code=EXIT_CONFIG if error.code in CONFIG_CODES else EXIT_FAILED)
    raise AssertionError("only setup errors are in the group")


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
