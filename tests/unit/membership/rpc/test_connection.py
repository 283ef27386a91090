"""The connection, against an agent that the test plays over a stream in memory."""

import msgpack  # type: ignore[import-untyped]
import pytest
import trio
import trio.testing

from membership.rpc.client import EventStream, SerfClient
from membership.rpc.connection import MAX_UNSENT, RpcConnection, open_connection
from membership.rpc.errors import BrokenRpcError, ClosedRpcError, RemoteRpcError
from membership.rpc.records import Gap, UnknownRecord
from tests.unit.membership.samples import packed


class Agent:
    """The other end: reads requests, says what it is told to."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._unpacker = msgpack.Unpacker()

    async def request(self) -> tuple[str, int]:
        """The next request's command and number; its body is skipped."""
        while True:
            for value in self._unpacker:
                if "Command" in value:
                    return value["Command"], value["Seq"]
            self._unpacker.feed(await self._stream.receive_some(4096))

    async def say(self, *values: object) -> None:
        await self._stream.send_all(b"".join(packed(value) for value in values))

    async def answer(self, seq: int, *body: object, error: str = "") -> None:
        await self.say({"Seq": seq, "Error": error}, *body)

    async def hang_up(self) -> None:
        await self._stream.aclose()


def pair() -> tuple[trio.abc.Stream, Agent]:
    ours, theirs = trio.testing.memory_stream_pair()
    return ours, Agent(theirs)


async def test_a_cancelled_call_keeps_the_stream_in_step(autojump_clock: trio.testing.MockClock) -> None:
    stream, agent = pair()
    async with open_connection(stream) as connection:
        with trio.move_on_after(1):
            await connection.call("members", deadline_s=10)
        with pytest.raises(trio.TooSlowError):
            await connection.call("stats", deadline_s=1)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def speak() -> None:
                bodies: list[dict[str, object]] = [{"Members": []}, {"serf": {}}, {"Num": 5}]
                for body in bodies:
                    _, seq = await agent.request()
                    await agent.answer(seq, body)

            assert await connection.call("join", {"Existing": []}, deadline_s=1) == {b"Num": 5}


async def test_answers_find_their_callers_whatever_their_order(autojump_clock: trio.testing.MockClock) -> None:
    stream, agent = pair()
    results: dict[str, object] = {}

    async def ask(connection: RpcConnection, name: str) -> None:
        results[name] = await connection.call("get-coordinate", {"Node": name}, deadline_s=5)

    async with open_connection(stream) as connection, trio.open_nursery() as nursery:
        nursery.start_soon(ask, connection, "first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, connection, "second")
        numbers = [(await agent.request())[1] for _ in range(2)]
        for seq in reversed(numbers):
            await agent.answer(seq, {"of": seq})
    assert results == {"first": {b"of": numbers[0]}, "second": {b"of": numbers[1]}}


async def test_a_refusal_leaves_the_connection_good(autojump_clock: trio.testing.MockClock) -> None:
    stream, agent = pair()
    async with open_connection(stream) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def speak() -> None:
            _, seq = await agent.request()
            await agent.answer(seq, {"Num": 0}, error="no seeds")
            _, seq = await agent.request()
            await agent.answer(seq)

        with pytest.raises(RemoteRpcError, match="no seeds"):
            await connection.call("join", {"Existing": []}, deadline_s=1)
        assert await connection.call("event", {"Name": "s"}, deadline_s=1) is None


async def test_a_slow_reader_of_a_stream_loses_records_counted_and_stops_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stream, agent = pair()
    async with open_connection(stream) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def speak() -> None:
            _, seq = await agent.request()
            await agent.say({"Seq": seq, "Error": ""})
            for number in range(5):
                await agent.say({"Seq": seq, "Error": ""}, {"n": number})
            _, after = await agent.request()
            await agent.answer(after)

        records = await connection.open_stream("stream", {"Type": "*"}, buffer=3, deadline_s=1)
        await connection.call("event", {"Name": "s"}, deadline_s=1)
        assert records.dropped == 2
        assert [await records.receive() for _ in range(3)] == [{b"n": n} for n in range(3)]


async def test_a_gap_is_told_where_it_is_noticed(autojump_clock: trio.testing.MockClock) -> None:
    stream, agent = pair()
    async with open_connection(stream) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def speak() -> None:
            _, seq = await agent.request()
            await agent.say({"Seq": seq, "Error": ""})
            for number in range(5):
                await agent.say({"Seq": seq, "Error": ""}, {"Event": f"kind-{number}"})
            _, after = await agent.request()
            await agent.answer(after)
            await agent.say({"Seq": seq, "Error": ""}, {"Event": "kind-5"})

        events = EventStream(await connection.open_stream("stream", {"Type": "*"}, buffer=3, deadline_s=1))
        await connection.call("event", {"Name": "s"}, deadline_s=1)
        found = [await events.receive() for _ in range(5)]
        assert found == [Gap(lost=2), *(UnknownRecord(kind=f"kind-{number}") for number in (0, 1, 2, 5))]


async def test_a_command_about_keys_that_some_agents_did_not_answer_is_told_as_such(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stream, agent = pair()
    async with open_connection(stream) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def speak() -> None:
            for nodes in (3, 0):
                _, seq = await agent.request()
                body = {"NumNodes": nodes, "NumResp": 2, "NumErr": 0, "Messages": {}, "Keys": {"a2V5": 2}}
                await agent.answer(seq, body, error="2/3 nodes reported success")

        client = SerfClient(connection, deadline_s=1)
        answer = await client.list_keys()
        assert (answer.answered, answer.keys, answer.is_complete) == (2, {"a2V5": 2}, False)
        with pytest.raises(RemoteRpcError):
            await client.list_keys()


async def test_a_stopped_stream_swallows_what_was_under_way(autojump_clock: trio.testing.MockClock) -> None:
    stream, agent = pair()
    async with open_connection(stream) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def speak() -> None:
            _, seq = await agent.request()
            await agent.answer(seq)
            _, stop = await agent.request()
            await agent.say({"Seq": seq, "Error": ""}, {"n": 1}, {"Seq": stop, "Error": ""})
            await agent.say({"Seq": seq, "Error": ""}, {"n": 2})
            _, after = await agent.request()
            await agent.answer(after)

        records = await connection.open_stream("monitor", {"LogLevel": "INFO"}, buffer=3, deadline_s=1)
        await connection.stop_stream(records, deadline_s=1)
        await connection.call("event", {"Name": "s"}, deadline_s=1)
        with pytest.raises(BrokenRpcError):
            await records.receive()


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x01\x02"])
async def test_the_end_or_garbage_ends_every_call_and_stream(
    garbage: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with open_connection(ours) as connection, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(BrokenRpcError):
                await connection.call("members", deadline_s=5)

        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        if garbage:
            await theirs.send_all(garbage)
        else:
            await theirs.aclose()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(BrokenRpcError):
            await connection.call("members", deadline_s=5)


async def test_an_agent_that_ends_while_a_stream_is_opened_is_a_broken_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stream, agent = pair()
    async with open_connection(stream) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def die() -> None:
            await agent.request()
            await agent.hang_up()

        with pytest.raises(BrokenRpcError):
            await connection.open_stream("stream", {"Type": "*"}, buffer=1, deadline_s=5)


async def test_an_agent_that_does_not_read_is_noticed(autojump_clock: trio.testing.MockClock) -> None:
    ours, _theirs = trio.testing.lockstep_stream_pair()
    async with open_connection(ours) as connection:
        for _ in range(MAX_UNSENT + 1):
            with pytest.raises(trio.TooSlowError):
                await connection.call("members", deadline_s=0.1)
        with pytest.raises(BrokenRpcError, match="does not read"):
            await connection.call("members", deadline_s=0.1)


async def test_after_its_block_it_is_closed() -> None:
    stream, _agent = pair()
    async with open_connection(stream) as connection:
        pass
    with pytest.raises(ClosedRpcError):
        await connection.call("members", deadline_s=1)
