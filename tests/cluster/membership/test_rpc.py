"""The RPC client against a real agent, the traps of its wire included."""

import random
import socket
from typing import Any

import pytest
import trio

from membership.agent.life import AgentEndpoint
from membership.rpc import QueryAcknowledged, QueryAnswer, QueryEvent, RemoteRpcError, UserEvent, open_serf_client
from membership.rpc.client import EventStream, LogStream
from membership.rpc.connection import open_connection
from membership.rpc.errors import BrokenRpcError
from membership.rpc.wire import encode_request
from tests.cluster.membership.conftest import new_key
from tests.unit.membership.samples import packed

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
        await client.force_leave("lone-1")
        assert (await client.members())[0].status == "alive"  # it contradicts


async def test_members_are_filtered_by_expressions_for_the_whole_text(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        for name, status, tags, found in (
            ("lone-.*", "alive", {"c": "te.t"}, 1),
            ("lone", "", {}, 0),
            ("", "failed", {}, 0),
            ("", "", {"c": "te"}, 0),
            ("", "", {"nobody": "x"}, 0),
        ):
            assert len(await client.members_filtered(name=name, status=status, tags=tags)) == found
        with pytest.raises(BrokenRpcError, match="closed"):
            await client.members_filtered(name="(")


async def test_queries_reach_whom_they_name_and_are_answered_once(agent: AgentEndpoint) -> None:
    async with (
        open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as listener,
        open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as asker,
    ):
        stream = await listener.stream("query")

        async def ask(**filters: Any) -> list[QueryAnswer | QueryAcknowledged]:
            answers = await asker.query("q", b"why", timeout_s=0.3, **filters)
            found = []
            while (answer := await answers.receive()) is not None:
                found.append(answer)
            return found

        async def respond() -> None:
            while True:
                query = await stream.receive()
                assert isinstance(query, QueryEvent)
                assert (query.name, query.payload) == ("q", b"why")
                await listener.respond(query.id, b"because")
                with pytest.raises(RemoteRpcError):
                    await listener.respond(query.id, b"again")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(respond)
            acknowledged, answered = (
                QueryAcknowledged(sender="lone-1"),
                QueryAnswer(sender="lone-1", payload=b"because"),
            )
            with trio.fail_after(10):
                assert await ask() == [answered]
                both = await ask(acknowledged=True, relays=0)
                assert sorted(both, key=repr) == [acknowledged, answered]
                assert await ask(nodes=["lone-1", "other"]) == [answered]
                assert await ask(nodes=["other"]) == []
                assert await ask(tags={"c": "t.*"}) == [answered]
                assert await ask(tags={"c": "x"}) == []
            nursery.cancel_scope.cancel()
        with pytest.raises(RemoteRpcError):
            await listener.respond(999, b"to nobody")


async def test_the_log_is_read_until_it_is_stopped(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        log = await client.monitor("INFO")
        with trio.fail_after(20):
            while "Accepted client" not in await log.receive():
                pass
        await client.stop(log)
        with pytest.raises(BrokenRpcError):
            await drain(log)
        with pytest.raises(RemoteRpcError):
            await client.monitor("LOUD")
        assert log.dropped == 0
        assert len(await client.members()) == 1


async def test_without_a_keyring_every_command_about_keys_is_refused(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        for command in (client.install_key, client.use_key, client.remove_key):
            answer = await command(new_key())
            assert (answer.is_complete, answer.nodes, answer.failed) == (False, 1, 1)
        assert (await client.list_keys()).keys == {}
        assert len(await client.members()) == 1


USER_MESSAGE, USER_EVENT = 8, 3
"""Types of a message in memberlist, and of one in Serf inside of it."""


def forged(name: bytes, payload: bytes, lamport_time: int = 5) -> bytes:
    """A datagram that gossips a user event of nobody; an agent without a key takes it."""
    event = {b"LTime": lamport_time, b"Name": name, b"Payload": payload, b"CC": False}
    return bytes([USER_MESSAGE, USER_EVENT]) + packed(event, old_form=True)


async def test_forged_datagrams_of_any_content_end_no_client(agent: AgentEndpoint) -> None:
    bomb = b"\xdd\xff\xff\xff\xff" * 20
    events = [
        (b"\xff\xfe\x80", b"\x00\xff"),
        (b"n" * 10_000, b""),
        (b"bomb", bomb),
        (b"deep", b"\x91" * 5000),
        (b"", b""),
        (b"clock", b"wrapped"),
    ]
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        (me,) = await client.members()
        stream = await client.stream("*")
        wanted = {(name.decode("utf-8", "backslashreplace"), payload) for name, payload in events}
        heard: set[tuple[str, bytes]] = set()

        async def send_all(sender: trio.socket.SocketType) -> None:
            for number, (name, payload) in enumerate(events):
                lamport_time = 2**64 - 1 if name == b"clock" else number + 1
                await sender.sendto(forged(name, payload, lamport_time), (me.address, me.port))
            for garbage in (
                b"",
                b"\x08",
                b"\x08\x03",
                b"\x08\x03" + bomb,
                b"\xff" * 9000,
                random.Random(1).randbytes(1200),
            ):
                await sender.sendto(garbage, (me.address, me.port))

        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sender:
            with trio.move_on_after(20):
                while heard != wanted:
                    await send_all(sender)  # again, as the kernel of a busy machine may drop any of them
                    with trio.move_on_after(1):
                        while heard != wanted:
                            record = await stream.receive()
                            if isinstance(record, UserEvent):
                                heard.add((record.name, record.payload))
        assert heard == wanted
        await client.send_event("s", b"after")
        assert len(await client.members()) == 1


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
        with trio.fail_after(20):
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
        with trio.fail_after(20):
            while len(payloads) < 10:
                record = await stream.receive()
                assert isinstance(record, UserEvent)
                payloads.append(record.payload)
        assert sorted(payloads) == [bytes([number]) for number in range(10)]


async def drain(stream: EventStream | LogStream) -> None:
    with trio.fail_after(20):
        while True:
            await stream.receive()


async def test_the_end_of_the_agent_is_told(agent: AgentEndpoint) -> None:
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        stream = await client.stream("*")
        await client.leave(deadline_s=5)
        with pytest.raises(BrokenRpcError):
            await drain(stream)


async def test_a_join_that_hangs_holds_up_its_own_connection_and_no_other(agent: AgentEndpoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections and says nothing
        async with (
            open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=1) as joining,
            open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=1) as other,
            trio.open_nursery() as nursery,
        ):

            async def join() -> None:
                await joining.join([f"127.0.0.1:{deaf.getsockname()[1]}"], deadline_s=30)

            nursery.start_soon(join)
            await trio.testing.wait_all_tasks_blocked(0.2)
            assert len(await other.members()) == 1
            with pytest.raises(trio.TooSlowError):
                await joining.members()
            assert len(await other.members()) == 1
            nursery.cancel_scope.cancel()


async def test_an_event_is_heard_once_however_often_it_is_gossiped(agent: AgentEndpoint) -> None:
    """Serf knows an event by time, name and payload: so every payload of ours has something unique in it."""
    async with open_serf_client(agent.rpc_port, agent.rpc_token, deadline_s=5) as client:
        (me,) = await client.members()
        stream = await client.stream("user")
        heard = []
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sender:
            for payload in (b"one", b"one", b"two", b"one", b"two"):
                await sender.sendto(forged(b"s", payload, 7), (me.address, me.port))
                await trio.sleep(0.1)
            await client.send_event("s", b"end")
            with trio.fail_after(20):
                while b"end" not in heard:
                    record = await stream.receive()
                    assert isinstance(record, UserEvent)
                    heard.append(record.payload)
        assert sorted(heard) == [b"end", b"one", b"two"]
