"""What the verbs that watch the local node share: lines as they come, for people or one JSON object each."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from node.cli.asking import local_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.admin import StreamLine, StreamOrder, Topic


class _EnoughError(Exception):
    """As many lines as were wanted."""


def follow_local(
    config: Path | None,
    data_dir: Path | None,
    topic: Topic,
    order: StreamOrder,
    *,
    count: int | None,
    form: Callable[[StreamLine], str],
    as_json: bool,
) -> None:
    """Print what the node streams whose data folder the options, the environment or the config file name.

    Args:
        config: The config file, if one was named.
        data_dir: The data folder, if one was named.
        topic: What to watch.
        order: What of it.
        count: After how many lines to end by itself.
        form: A line for people.
        as_json: One JSON object a line instead.

    Raises:
        NodeStartError: No node runs there, it stops, or it has no such stream.
        ConfigError: The configuration is wrong.
    """
    import msgspec
    import trio

    from node.admin import follow_node

    folder = local_folder(config, data_dir)
    shown = 0

    def show(line: StreamLine) -> None:
        nonlocal shown
        text = msgspec.json.encode(line).decode() if as_json else form(line)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
        shown += 1
        if count is not None and shown >= count:
            raise _EnoughError

    try:
        trio.run(follow_node, folder, topic, order, show)
    except _EnoughError:
        return
    except BrokenPipeError:  # who reads it has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """What others wrote, without what would move a terminal's cursor or break a line."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
