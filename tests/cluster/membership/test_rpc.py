"""The RPC client against a real agent, the traps of its wire included."""

import contextlib
import random

import pytest
import trio

from membership.agent import AgentEndpoint
from membership.rpc import RemoteRpcError, UserEvent, open_serf_client
from membership.rpc.client import EventStream
from membership.rpc.connection import open_connection
from membership.rpc.errors import BrokenRpcError
from membership.rpc.wire import encode_request

pytestmark = pytest.mark.cluster


async def test_every_command_we_use(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        (member,) = await client.members()
        assert (member.name, member.address, member.status, member.tags) == (
            "lone-1",
            "127.0.0.1",
            "alive",
            {"c": "test"},
        )
        await client.set_tags({"c": "test", "x": "1"}, delete=["y"])
        assert (await client.members())[0].tags == {"c": "test", "x": "1"}
        await client.set_tags({"c": "test"}, delete=["x"])
        assert (await client.members())[0].tags == {"c": "test"}
        assert (await client.stats()).event_queue >= 0
        coordinate = await client.coordinate("lone-1")
        assert coordinate is not None
        assert coordinate.rtt_ms(coordinate) >= 0
        assert await client.coordinate("nobody") is None
        await client.prune("nobody")


async def test_refusals_with_and_without_a_body_leave_the_wire_in_step(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        for _ in range(3):
            with pytest.raises(RemoteRpcError, match="refused"):
                await client.join(["127.0.0.1:1"], deadline_s=5)
            with pytest.raises(RemoteRpcError):  # answers with a body although there is no keyring
                await client.connection.call("list-keys", deadline_s=5)
            with pytest.raises(RemoteRpcError, match="limit"):
                await client.send_event("s", bytes(1100))
            assert len(await client.members()) == 1


async def test_an_unknown_command_is_refused_without_a_body(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        with pytest.raises(RemoteRpcError, match="Unsupported command"):
            await client.connection.call("no-such-command", {}, deadline_s=5)


async def test_nothing_is_answered_before_the_token_is_right(agent: AgentEndpoint) -> None:
    async with open_connection(await trio.open_tcp_stream("127.0.0.1", agent.rpc_port)) as connection:
        with pytest.raises(RemoteRpcError, match="Handshake required"):
            await connection.call("members", deadline_s=5)
    with pytest.RaisesGroup(pytest.RaisesExc(RemoteRpcError, match="Invalid authentication token")):
        async with open_serf_client(agent.rpc_port, "wrong", deadline_s=5):
            pytest.fail("a wrong token was accepted")


async def test_cancelled_calls_keep_the_wire_in_step(agent: AgentEndpoint) -> None:
    seeded = random.Random(7)
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:

        async def impatient() -> None:
            with trio.move_on_after(seeded.random() * 0.004):
                await seeded.choice((client.members, client.stats))()

        async def patient() -> None:
            assert (await client.members())[0].name == "lone-1"
            assert await client.coordinate("lone-1") is not None

        for _ in range(20):
            async with trio.open_nursery() as nursery:
                for work in (impatient, patient, impatient, patient, impatient):
                    nursery.start_soon(work)


async def test_a_member_request_with_a_body_is_the_trap_that_we_think_it_is(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=1) as client:
        with pytest.raises(ValueError, match="takes no body"):
            await client.connection.call("members", {}, deadline_s=1)
        assert len(await client.members()) == 1
        # The agent takes the body for the next header and answers it under the number before.
        await client.connection._stream.send_all(b"\x80")
        with pytest.raises(BrokenRpcError, match="nobody made"):
            await client.members()


async def test_names_that_are_not_utf8_end_no_client(agent: AgentEndpoint) -> None:
    async with (
        open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as listener,
        open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as sender,
    ):
        stream = await listener.stream("*")
        request = encode_request(99, "event", {"Name": "XX", "Payload": b"\x00", "Coalesce": False})
        sender.connection._decoder.expect(99, "event")
        await sender.connection._stream.send_all(request.replace(b"XX", b"\xff\xfe"))
        await sender.send_event("s", b"after")
        names = []
        with trio.fail_after(5):
            while "s" not in names:
                record = await stream.receive()
                if isinstance(record, UserEvent):
                    names.append(record.name)
        assert names == ["\\xff\\xfe", "s"]
        assert len(await listener.members()) == 1


async def test_ten_events_of_one_name_stay_ten(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        stream = await client.stream("user")
        for number in range(10):
            await client.send_event("s", bytes([number]))
        payloads: list[bytes] = []
        with trio.fail_after(5):
            while len(payloads) < 10:
                record = await stream.receive()
                assert isinstance(record, UserEvent)
                payloads.append(record.payload)
        assert sorted(payloads) == [bytes([number]) for number in range(10)]


async def drain(stream: EventStream) -> None:
    with trio.fail_after(5):
        while True:
            await stream.receive()


async def test_the_end_of_the_agent_is_told(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        stream = await client.stream("*")
        with contextlib.suppress(BrokenRpcError):  # it may be gone before its answer is read
            await client.connection.call("leave", deadline_s=5)
        with pytest.raises(BrokenRpcError):
            await drain(stream)
