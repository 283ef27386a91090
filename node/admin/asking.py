"""The client's end of the private listener: ask the node that runs in a data folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import msgspec
import trio

from node.admin.protocol import (
    ADMIN_FILE,
    DEADLINE_S,
    FIELD_OF,
    LOOPBACK,
    MAX_ANSWER_BYTES,
    MAX_QUESTION_BYTES,
    SILENCE_S,
    AdminFile,
    LineReader,
    Question,
)
from node.admin.stream_lines import Alive, StreamLine, StreamOrder, StreamRefused
from node.errors import EXIT_FAILED, EXIT_NOT_RUNNING, NodeStartError
from node.private_files import read_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.admin.protocol import Order, Topic

_Answer = TypeVar("_Answer")


async def ask_node(data_dir: Path, topic: Topic, kind: type[_Answer], order: Order | None = None) -> _Answer:
    """Ask the node that runs in this data folder; an order goes with the topic that takes one.

    Raises:
        NodeStartError: ``not_running``: none does, or it does not answer.
    """
    admin = read_admin_file(data_dir)
    question = Question(token=admin.token, topic=topic)
    if order is not None:
        question = msgspec.structs.replace(question, **{FIELD_OF[type(order)]: order})
    asked = _line(question)
    answer = b""
    with trio.move_on_after(question.deadline_s):
        try:
            async with await trio.open_tcp_stream(LOOPBACK, admin.port) as stream:
                await stream.send_all(asked)
                answer = await LineReader(stream, MAX_ANSWER_BYTES).line()
        except (OSError, trio.BrokenResourceError):
            raise _not_running(data_dir) from None
        except ValueError:
            answer = b""
    if not answer:
        raise _no_answer(admin)
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _unreadable() from None


async def follow_node(data_dir: Path, topic: Topic, order: StreamOrder, show: Callable[[StreamLine], None]) -> None:
    """Have the node that runs in this data folder stream, until it ends the stream or this is cancelled.

    Args:
        data_dir: Where it keeps its things.
        topic: `events` or `monitor`.
        order: What of it.
        show: Called with each line.

    Raises:
        NodeStartError: ``not_running``: none does, it does not answer, or it ended; or it refuses, with its code.
    """
    admin = read_admin_file(data_dir)
    asked = _line(Question(token=admin.token, topic=topic, stream=order))
    try:
        with trio.fail_after(DEADLINE_S):
            stream = await trio.open_tcp_stream(LOOPBACK, admin.port)
    except (OSError, trio.TooSlowError):
        raise _not_running(data_dir) from None
    async with stream:
        try:
            await stream.send_all(asked)
            reader = LineReader(stream, MAX_ANSWER_BYTES)
            while True:
                with trio.fail_after(SILENCE_S):
                    line = msgspec.json.decode(await reader.line(), type=StreamLine)
                if isinstance(line, StreamRefused):
                    raise NodeStartError(line.code, line.message, exit_code=EXIT_FAILED)
                if not isinstance(line, Alive):
                    show(line)
        except msgspec.DecodeError:
            raise _unreadable() from None
        except trio.TooSlowError:
            raise _no_answer(admin) from None
        except (ValueError, trio.BrokenResourceError):  # the node hung up
            raise NodeStartError(
                "stream_ended",
                "the node ended the stream: it stops, or this terminal was too slow",
                exit_code=EXIT_NOT_RUNNING,
            ) from None


def read_admin_file(data_dir: Path) -> AdminFile:
    """Read where the listener of the node in this data folder is.

    Raises:
        NodeStartError: ``not_running``, or what is there is not what a node writes.
    """
    path = data_dir / ADMIN_FILE
    if not path.exists():
        raise _not_running(data_dir)
    try:
        return msgspec.json.decode(read_private(path, what="The admin file"), type=AdminFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NodeStartError(
            "admin_file_invalid",
            f"{path} is not what a node writes there: restart the node, which writes it anew",
            exit_code=EXIT_NOT_RUNNING,
        ) from None


def is_alive(pid: int) -> bool:
    """Whether a process is there, whosever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _line(question: Question) -> bytes:
    """The question as one line.

    Raises:
        NodeStartError: It cannot be asked, by what the operator gave.
    """
    try:
        line = msgspec.json.encode(question) + b"\n"
    except UnicodeEncodeError:
        raise NodeStartError("text_invalid", "what was given is not text in UTF-8: give it in UTF-8") from None
    if len(line) > MAX_QUESTION_BYTES:
        raise NodeStartError("text_too_long", "login, name and password are too long together: shorten the longest")
    return line


def _not_running(data_dir: Path) -> NodeStartError:
    return NodeStartError(
        "not_running",
        f"no node runs in {data_dir}: start one with `starling up`, or name its folder with --data-dir",
        exit_code=EXIT_NOT_RUNNING,
        next_step="starling up",
    )


def _no_answer(admin: AdminFile) -> NodeStartError:
    return NodeStartError(
        "no_answer",
        f"the node with process id {admin.pid} does not answer; its log says more",
        exit_code=EXIT_NOT_RUNNING,
    )


def _unreadable() -> NodeStartError:
    return NodeStartError(
        "answer_unreadable",
        "the node answers what this program does not understand: it is of another version; use the `starling` that "
        "the node was started with",
    )
