"""The files of a serf agent: its boot counter, configuration and keyring.

    <data_dir>/gossip/boot        number of the last start, outlives everything
    <data_dir>/gossip/snapshot    Serf's own list of peers it knew
    <data_dir>/gossip/keyring.json  the gossip keys, see keys/keyring.py
    <data_dir>/gossip/former-names  see former_names.py
    <private folder>/agent.json   configuration with the RPC token, for one start

The private folder is made anew for each start, readable by its owner alone, and removed after it: the RPC token
reads the gossip keys, and whoever has those can forge anything but signatures.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from membership.agent.former_names import FormerNames
from membership.keys.keyring import prepare_keyring
from membership.members.tags import serf_name
from membership.private_files import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from membership.config import MembershipConfig

__all__ = ["AgentFiles", "gossip_folder", "next_boot", "write_agent_files"]

log = structlog.get_logger(__name__)

RPC_TOKEN_BYTES = 24

EVENT_SIZE_LIMIT_BYTES = 1024
"""Serf's limit of a whole encoded user event: our cap of 900 B for a payload, plus name and envelope."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentFiles:
    """What was written for one start.

    Attributes:
        folder: the private folder, to be removed after the agent.
        config: the configuration file.
        name: the Serf name.
        rpc_port: port on 127.0.0.1.
        rpc_token: secret of the RPC.
    """

    folder: Path
    config: Path
    name: str
    rpc_port: int
    rpc_token: str


def next_boot(data_dir: Path, *, now_s: float, above: int = 0) -> int:
    """Draw the next boot number, greater than any drawn before, and than another process' under the same id.

    The counter never falls below the wall clock in seconds, so that it stays ordered when the data folder is
    lost: peers remember the old names for days, and a counter that began at 1 again would not be heard.

    Raises:
        OSError: the folder cannot be written.
    """
    path = gossip_folder(data_dir) / "boot"
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        text = ""
    last = int(text) if text.isdecimal() and len(text) <= 15 else 0
    boot = max(last + 1, int(now_s), above + 1)
    write_private(path, f"{boot}\n")
    return boot


def write_agent_files(
    config: MembershipConfig, *, agent_boot: int, rpc_port: int, tags: Mapping[str, str]
) -> AgentFiles:
    """Write what one start of the agent needs.

    Raises:
        OSError: a folder cannot be written.
    """
    if config.runtime_dir is not None:
        config.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="starling-serf-", dir=config.runtime_dir))
    try:
        return _write_files(config, folder, agent_boot=agent_boot, rpc_port=rpc_port, tags=tags)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_files(
    config: MembershipConfig, folder: Path, *, agent_boot: int, rpc_port: int, tags: Mapping[str, str]
) -> AgentFiles:
    files = AgentFiles(
        folder=folder,
        config=folder / "agent.json",
        name=serf_name(config.node_id, agent_boot),
        rpc_port=rpc_port,
        rpc_token=secrets.token_urlsafe(RPC_TOKEN_BYTES),
    )
    settings: dict[str, object] = {
        "node_name": files.name,
        "bind": _host_port(config.bind_address, config.bind_port),
        "rpc_addr": f"127.0.0.1:{rpc_port}",
        "rpc_auth": files.rpc_token,
        "tags": dict(tags),  # here and not by RPC, so that no peer ever sees the member without them
        # The lan profile holds up to 265 ms of round trip and 30 % loss on a pair; wan detects a death in 35-58 s.
        "profile": "lan",
        "user_event_size_limit": EVENT_SIZE_LIMIT_BYTES,
        "query_size_limit": EVENT_SIZE_LIMIT_BYTES,
        "query_response_size_limit": EVENT_SIZE_LIMIT_BYTES,
        "snapshot_path": str(gossip_folder(config.data_dir) / "snapshot"),
        "rejoin_after_leave": True,
        "replay_on_join": False,
        # No start_join (it exits when seeds are down) and no retry_join (it stops after its first success):
        # the view's watchdog joins.
        "reconnect_interval": "10s",
        "reconnect_timeout": "72h",
        "tombstone_timeout": "24h",
        "broadcast_timeout": "5s",
        "leave_on_terminate": True,
        "enable_compression": True,
        "log_level": "INFO",
    }
    if config.advertise is not None:
        settings["advertise"] = config.advertise
    if config.gossip_key is not None:
        settings["keyring_file"] = str(prepare_keyring(gossip_folder(config.data_dir), config.gossip_key))
    try:
        FormerNames(gossip_folder(config.data_dir)).note(files.name)
    except OSError as error:
        # The name stays listed as failed a little longer after the next start; no reason not to start.
        log.warning("agent_name_not_noted", name=files.name, reason=error.strerror)
    write_private(files.config, json.dumps(settings))
    return files


def gossip_folder(data_dir: Path) -> Path:
    """The folder of what outlives agents; made if missing."""
    folder = data_dir / "gossip"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
