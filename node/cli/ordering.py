"""What the verbs that order something about members share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.cli.asking import ask_local

if TYPE_CHECKING:
    from pathlib import Path

    from node.admin import MemberAnswer, MemberOrder


def order_members(config: Path | None, data_dir: Path | None, order: MemberOrder) -> MemberAnswer:
    """Give an order about members; see :func:`node.cli.asking.ask_local`.

    Raises:
        NodeStartError: No node runs there, or it refuses, with its code.
        ConfigError: The configuration is wrong.
    """
    from node.admin import MemberAnswer
    from node.errors import NodeStartError

    answer = ask_local(config, data_dir, "member", MemberAnswer, order)
    if answer.code:
        raise NodeStartError(answer.code, answer.message)
    return answer
