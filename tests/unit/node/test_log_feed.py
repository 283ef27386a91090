"""Who reads the log along: at a level of their own, plain and short, without changing what is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog
import trio
import trio.testing

from node.log_feed import LEVELS, MAX_TEXT, LogFeed, LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def _is_written(feed: LogFeed, level: str, event: str = "x", **fields: Any) -> bool:
    try:
        feed.tap(None, level, {"level": level, "event": event, "timestamp": "now", **fields})
    except structlog.DropEvent:
        return False
    return True


async def test_a_reader_has_a_level_of_its_own_and_what_is_written_stays() -> None:
    feed = LogFeed(written=LEVELS["warning"])
    all_of_it: list[LogRecord] = []
    errors: list[LogRecord] = []
    with feed.reading("debug", all_of_it.append), feed.reading("error", errors.append):
        assert [_is_written(feed, level, level) for level in LEVELS] == [False, False, True, True, True]
        await trio.testing.wait_all_tasks_blocked()
    assert [record.text for record in all_of_it] == list(LEVELS)
    assert [record.text for record in errors] == ["error", "critical"]
    _is_written(feed, "error")
    await trio.testing.wait_all_tasks_blocked()
    assert len(all_of_it) == len(LEVELS), "it reads no more"


async def test_less_is_made_again_once_nobody_reads_it() -> None:
    feed = LogFeed(written=LEVELS["info"])
    calls: list[str] = []

    def note(_logger: object, _method: str, line: Any) -> Any:
        calls.append(line["event"])
        raise structlog.DropEvent

    structlog.configure(processors=[note], cache_logger_on_first_use=False)
    with feed.reading("debug", lambda _record: None):
        structlog.get_logger().debug("read")
    structlog.get_logger().debug("unread")
    structlog.get_logger().info("written")
    assert calls == ["read", "written"]


async def test_values_become_plain_and_short_and_errors_are_named() -> None:
    feed, read = LogFeed(), list[LogRecord]()
    with feed.reading("info", read.append):
        _is_written(
            feed, "info", "y" * (2 * MAX_TEXT), n=1, f=0.5, yes=True, none=None, path=("a", "b"), long="z" * 9999
        )
        _is_written(feed, "error", exc_info=ValueError("why"))
        _is_written(feed, "error", exc_info=(KeyError, KeyError("k"), None))
        await trio.testing.wait_all_tasks_blocked()
    first, second, third = read
    assert (first.at, first.level, len(first.text)) == ("now", "info", MAX_TEXT)
    assert {key: first.fields[key] for key in ("n", "f", "yes", "none", "path")} == {
        "n": 1,
        "f": 0.5,
        "yes": True,
        "none": None,
        "path": "('a', 'b')",
    }
    assert len(str(first.fields["long"])) == MAX_TEXT
    assert second.fields == {"exception": "ValueError: why"}
    assert third.fields == {"exception": "KeyError: 'k'"}


async def test_lines_of_another_thread_reach_the_reader_in_its_own() -> None:
    feed, read = LogFeed(), list[tuple[str, bool]]()
    here = trio.lowlevel.current_trio_token()

    def put(record: LogRecord) -> None:
        read.append((record.text, trio.lowlevel.current_trio_token() is here))

    with feed.reading("info", put):
        await trio.to_thread.run_sync(_is_written, feed, "info", "from afar")
        await trio.testing.wait_all_tasks_blocked()
    assert read == [("from afar", True)]


def test_a_reader_whose_run_is_over_harms_nobody() -> None:
    feed = LogFeed()
    reading = feed.reading("info", lambda _record: None)

    async def begin() -> None:
        reading.__enter__()

    trio.run(begin)
    assert _is_written(feed, "info")
