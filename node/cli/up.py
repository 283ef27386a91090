"""``starling up``: run a node."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.settings import ConfigFile, parse_setting, read_settings

if TYPE_CHECKING:
    from node.config import Config
    from node.config.sources import Key
    from node.service import RunningNode


def up(
    config: ConfigFile = None,
    node_id: Annotated[str | None, typer.Option(help="Name of this node. Default: the host name.")] = None,
    node_region: Annotated[str | None, typer.Option(help="The place that this node serves.")] = None,
    node_data_dir: Annotated[Path | None, typer.Option(help="Folder that outlives the process.")] = None,
    node_public_url: Annotated[str | None, typer.Option(help="Where clients reach this node.")] = None,
    http_address: Annotated[str | None, typer.Option(help="IP address for HTTP.")] = None,
    http_port: Annotated[int | None, typer.Option(help="TCP port for HTTP; 0 takes any free one.")] = None,
    media_address: Annotated[str | None, typer.Option(help="IP address for media.")] = None,
    media_port: Annotated[int | None, typer.Option(help="UDP port for media; 0 takes any free one.")] = None,
    mesh_gossip_key_file: Annotated[Path | None, typer.Option(help="The cluster's gossip key.")] = None,
    mesh_port: Annotated[int | None, typer.Option(help="TCP and UDP port for gossip.")] = None,
    mesh_seeds: Annotated[list[str] | None, typer.Option(help="host:port of a node to join; may be repeated.")] = None,
    tokens_cluster_keys_file: Annotated[Path | None, typer.Option(help="The cluster's token keys.")] = None,
    store_kind: Annotated[str | None, typer.Option(help="memory (one node) or redis (several).")] = None,
    store_url: Annotated[str | None, typer.Option(help="Where Redis is.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, console or json.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting, as section.key=value; may be repeated.")
    ] = None,
) -> None:
    """Run a node until Ctrl-C or SIGTERM; a second one stops it at once, SIGHUP reloads its certificate.

    Without any option this is one node for this machine alone: no Redis, no other nodes, guests
    welcome. A flag wins over the environment (STARLING_HTTP__PORT=8443), which wins over the
    config file, which wins over the default. node.example.toml explains every setting.
    """
    flags: dict[Key, object] = {
        ("node", "id"): node_id,
        ("node", "region"): node_region,
        ("node", "data_dir"): _text(node_data_dir),
        ("node", "public_url"): node_public_url,
        ("http", "address"): http_address,
        ("http", "port"): http_port,
        ("media", "address"): media_address,
        ("media", "port"): media_port,
        ("mesh", "gossip_key_file"): _text(mesh_gossip_key_file),
        ("mesh", "port"): mesh_port,
        ("mesh", "seeds"): mesh_seeds or None,
        ("tokens", "cluster_keys_file"): _text(tokens_cluster_keys_file),
        ("store", "kind"): store_kind,
        ("store", "url"): store_url,
        ("log", "level"): log_level,
        ("log", "format"): log_format,
    }
    settings = read_settings(config, flags, [parse_setting(text) for text in setting or ()])
    _run(settings)


def _run(config: "Config") -> None:
    import trio

    from node.garbage import collect_seldom
    from node.logging import set_up_logging
    from node.service import run_node

    set_up_logging(config.log, node_id=config.node.id)

    def started(node: "RunningNode") -> None:
        alone = "" if node.membership is not None else " on its own"
        sys.stdout.write(f"Node {node.node_id} runs{alone}: {node.url}\n")
        sys.stdout.flush()
        collect_seldom()

    async def run() -> None:
        await run_node(config, started=started)

    trio.run(run)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
