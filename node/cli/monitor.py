"""``starling monitor``: the logs of node and agent, live."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.settings import AsJson, ConfigFile, DataDir
from node.cli.streaming import follow_local, printable

if TYPE_CHECKING:
    from node.admin import StreamLine


class Level(StrEnum):
    """How important a line must be."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Source(StrEnum):
    """Whose log."""

    NODE = "node"
    AGENT = "agent"
    BOTH = "both"


def monitor(
    level: Annotated[Level, typer.Option(help="The least important kind of line.")] = Level.INFO,
    source: Annotated[Source, typer.Option(help="Whose log: the node's, its serf agent's, or both.")] = Source.BOTH,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many lines.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Watch the logs of the local node and of its gossip agent, from now on, until Ctrl-C.

    The level is this terminal's alone: `--level debug` shows what the node would not write by its settings, and
    changes nothing of what it does write. The agent logs from `info` on. With --json: one object a line. Exit code
    3: no node runs here, or it stopped.
    """
    import msgspec

    from node.admin import StreamOrder

    both = StreamOrder(level=level.value)
    order = both if source is Source.BOTH else msgspec.structs.replace(both, sources=(source.value,))
    follow_local(config, data_dir, "monitor", order, count=count, form=form, as_json=as_json)


def form(line: "StreamLine") -> str:
    """One line for people."""
    from node.admin import LogLine, Lost, Note

    match line:
        case LogLine():
            fields = " ".join(f"{key}={value}" for key, value in line.fields.items() if key != "node")
            return printable(f"{line.at}  {line.level:<7}  {line.source:<5}  {line.text} {fields}".rstrip())
        case Lost():
            return f"... {line.lines} lines were not shown: they came too fast"
        case Note():
            return f"... {printable(line.message)}"
        case _:
            return ""
