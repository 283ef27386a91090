"""What the verbs that ask the local node share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from node.cli.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.account_orders import AccountAnswer, AccountOrder
    from node.admin import HistoryAnswer, Topic
    from node.admin.protocol import Order
    from node.lifecycle_orders import NodeAnswer, NodeOrder
    from node.mesh_orders import KeysAnswer, MeshOrder

T = TypeVar("T")

UNFOLDED: Final = 4096
"""Columns of a line that no program minds and no table reaches."""


def local_folder(config: Path | None, data_dir: Path | None) -> Path:
    """The data folder that the options, the environment or the config file name.

    Raises:
        ConfigError: The configuration is wrong.
    """
    return data_dir or Path(read_settings(config, {}).node.data_dir)


def check_running(config: Path | None, data_dir: Path | None) -> None:
    """Look whether a node runs in :func:`local_folder`, as far as its folder says.

    Raises:
        NodeStartError: None does.
        ConfigError: The configuration is wrong.
    """
    from node.admin.asking import read_admin_file

    read_admin_file(local_folder(config, data_dir))


def ask_local(config: Path | None, data_dir: Path | None, topic: Topic, kind: type[T], order: Order | None = None) -> T:
    """Ask the node that runs in :func:`local_folder`, or give it an order.

    Raises:
        NodeStartError: No node runs there.
        ConfigError: The configuration is wrong.
    """
    import trio

    from node.admin import ask_node

    return trio.run(ask_node, local_folder(config, data_dir), topic, kind, order)


def order_local(config: Path | None, data_dir: Path | None, order: AccountOrder) -> AccountAnswer:
    """Give an order about accounts; see :func:`ask_local`."""
    from node.account_orders import AccountAnswer

    return ask_local(config, data_dir, "accounts", AccountAnswer, order)


def order_mesh(config: Path | None, data_dir: Path | None, order: MeshOrder) -> KeysAnswer:
    """Give an order about gossip keys; see :func:`ask_local`."""
    from node.mesh_orders import KeysAnswer

    return ask_local(config, data_dir, "keys", KeysAnswer, order)


def ask_history(config: Path | None, data_dir: Path | None) -> HistoryAnswer:
    """Ask what happened lately; see :func:`ask_local`."""
    from node.admin import HistoryAnswer

    return ask_local(config, data_dir, "history", HistoryAnswer)


def order_node(config: Path | None, data_dir: Path | None, order: NodeOrder) -> NodeAnswer:
    """Give an order about its service; see :func:`ask_local`."""
    from node.lifecycle_orders import NodeAnswer

    return ask_local(config, data_dir, "node", NodeAnswer, order)


def print_json(answer: object) -> None:
    """Print a record as indented JSON."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; columns that are empty throughout are left out."""
    from rich.console import Console
    from rich.table import Table

    used = [column for column in range(len(head)) if any(row[column] for row in rows)] or [0]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in used:
        table.add_column(head[column], overflow="fold")
    for row in rows:
        table.add_row(*(row[column] for column in used))
    # Off a terminal lines are for programs: never folded.
    console = Console() if sys.stdout.isatty() else Console(width=UNFOLDED)
    console.print(table, markup=False, highlight=False)
    if not rows:
        console.print("none", style="dim")
