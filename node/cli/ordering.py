"""What the verbs that order something about members share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from node.cli.settings import read_settings

if TYPE_CHECKING:
    from node.admin import MemberAnswer, MemberOrder


def order_members(config: Path | None, data_dir: Path | None, order: MemberOrder) -> MemberAnswer:
    """Give an order to the node whose data folder the options, the environment or the config file name.

    Raises:
        NodeStartError: No node runs there, or it refuses, with its code.
        ConfigError: The configuration is wrong.
    """
    import trio

    from node.admin import MemberAnswer, ask_node
    from node.errors import NodeStartError

    folder = data_dir or Path(read_settings(config, {}).node.data_dir)
    answer = trio.run(ask_node, folder, "member", MemberAnswer, order)
    if answer.code:
        raise NodeStartError(answer.code, answer.message)
    return answer
