"""Typed records: the agent is taken at its word about shapes, its peers about nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.distance.estimate import NetworkCoordinate
from membership.rpc import records
from membership.rpc.client import tells_of_a_drop
from membership.rpc.errors import BrokenRpcError
from membership.rpc.records import (
    MemberEvent,
    QueryAcknowledged,
    QueryAnswer,
    QueryEvent,
    SerfMember,
    UnknownRecord,
    UserEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RAW_MEMBER: dict[bytes, object] = {
    b"Name": b"ada-1",
    b"Addr": bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1]),
    b"Port": 7946,
    b"Tags": {b"c": b"test"},
    b"Status": b"alive",
    b"ProtocolMin": 1,
}


def test_a_member() -> None:
    assert records.read_members({b"Members": [RAW_MEMBER]}) == (
        SerfMember(name="ada-1", address="127.0.0.1", port=7946, tags={"c": "test"}, status="alive"),
    )


@pytest.mark.parametrize(
    ("raw", "text"),
    [(bytes([10, 0, 0, 1]), "10.0.0.1"), (bytes(15) + b"\x01", "::1"), (b"", ""), (b"12345", ""), (None, "")],
)
def test_addresses_of_peers_can_have_any_length(raw: bytes | None, text: str) -> None:
    assert records.read_members({b"Members": [RAW_MEMBER | {b"Addr": raw}]})[0].address == text


def test_names_and_tags_of_peers_can_be_any_bytes() -> None:
    (member,) = records.read_members({b"Members": [RAW_MEMBER | {b"Name": b"\xff", b"Tags": {b"\xfe": b"\x80"}}]})
    assert (member.name, member.tags) == ("\\xff", {"\\xfe": "\\x80"})


def test_no_members_and_no_tags_are_nil_on_the_wire() -> None:
    assert records.read_members({b"Members": None}) == ()
    assert records.read_members({b"Members": [RAW_MEMBER | {b"Tags": None}]})[0].tags == {}


def test_records_of_a_stream() -> None:
    user = {b"Event": b"user", b"LTime": 7, b"Name": b"\xffs", b"Payload": b"\x00\xff", b"Coalesce": False}
    assert records.read_record(user) == UserEvent(name="\\xffs", payload=b"\x00\xff", lamport_time=7)
    assert records.read_record(user | {b"Payload": None}) == UserEvent(name="\\xffs", payload=b"", lamport_time=7)
    joined = records.read_record({b"Event": b"member-join", b"Members": [RAW_MEMBER]})
    assert isinstance(joined, MemberEvent)
    assert joined.members[0].name == "ada-1"
    assert records.read_record({b"Event": b"new-kind", b"ID": 1}) == UnknownRecord(kind="new-kind")


def test_coordinates() -> None:
    coordinate: dict[bytes, object] = {b"Vec": [0.1, 0], b"Height": 1e-5, b"Adjustment": 0, b"Error": 1.5}
    raw = {b"Ok": True, b"Coord": coordinate}
    assert records.read_coordinate(raw) == NetworkCoordinate(vector=(0.1, 0.0), height=1e-5, adjustment=0.0, error=1.5)
    assert records.read_coordinate({b"Ok": False, b"Coord": None}) is None
    for broken in ({b"Height": float("nan")}, {b"Vec": [0.1, float("inf")]}):
        assert records.read_coordinate({b"Ok": True, b"Coord": coordinate | broken}) is None


def test_stats_are_texts() -> None:
    serf = {b"event_queue": b"12", b"intent_queue": b"0", b"query_queue": b"0", b"health_score": b"1"}
    serf[b"encrypted"], agent = b"true", {b"name": b"ada-1"}
    stats = records.read_stats({b"serf": serf, b"agent": agent})
    assert (stats.event_queue, stats.is_encrypted, stats.agent_name) == (12, True, "ada-1")
    with pytest.raises(BrokenRpcError):
        records.read_stats({b"serf": serf | {b"event_queue": b"-"}, b"agent": agent})


def test_what_became_of_keys() -> None:
    raw: dict[bytes, object] = {b"NumNodes": 3, b"NumResp": 2, b"NumErr": 1, b"Keys": {b"a2V5": 2}}
    answer = records.read_keyring_answer(raw | {b"Messages": {b"ada-1": b"no \xff"}})
    assert (answer.messages, answer.keys, answer.is_complete) == ({"ada-1": "no \\xff"}, {"a2V5": 2}, False)
    done = records.read_keyring_answer(raw | {b"NumResp": 3, b"NumErr": 0, b"Keys": None, b"Messages": None})
    assert (done.messages, done.keys, done.is_complete) == ({}, {}, True)
    wrong: tuple[dict[bytes, object], ...] = ({b"Keys": {b"a2V5": b"2"}}, {b"NumNodes": True}, {b"Messages": []})
    for broken in wrong:
        with pytest.raises(BrokenRpcError):
            records.read_keyring_answer(raw | broken)


def test_log_lines_are_any_bytes() -> None:
    assert records.read_log_line({b"Log": b"\xff said\n"}) == "\\xff said"


names = st.binary(max_size=64) | st.just(b"\xff" * 10_000)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | names,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    "Event Name Payload LTime Members Tags Type From ID Keys NumNodes NumResp NumErr Messages Log Num serf agent Ok "
    "Coord Vec"
)
fields = st.sampled_from([name.encode() for name in NAMES.split()])
kinds = st.sampled_from([b"user", b"query", b"member-join", b"response", b"done", b"ack"])
bodies = values | st.dictionaries(fields, values | kinds)


@given(bodies)
def test_whatever_comes_is_a_record_or_a_broken_connection(body: object) -> None:
    readers: list[Callable[[object], object]] = [
        records.read_members, records.read_joined, records.read_stats, records.read_coordinate, records.read_record,
        records.read_query_record, records.read_keyring_answer, records.read_log_line,
    ]  # fmt: skip
    for read in readers:
        with contextlib.suppress(BrokenRpcError):
            read(body)


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {b"Members": {}}, {b"Members": [1]}, {b"Members": [RAW_MEMBER | {b"Port": True}]}, b"x", 1],
)
def test_another_shape_is_a_broken_agent(body: object) -> None:
    if body is not None:
        with pytest.raises(BrokenRpcError):
            records.read_members(body)
    with pytest.raises(BrokenRpcError):
        records.read_record(body)


def test_a_query_and_its_answers() -> None:
    raw: dict[bytes, object] = {b"Event": b"query", b"ID": 7, b"LTime": 1, b"Name": b"r", b"Payload": b"\x01"}
    assert records.read_record(raw) == QueryEvent(id=7, name="r", payload=b"\x01")
    answer: dict[bytes, object] = {b"Type": b"response", b"From": b"ada-1", b"Payload": b"here"}
    assert records.read_query_record(answer) == QueryAnswer(sender="ada-1", payload=b"here")
    assert records.read_query_record(answer | {b"Payload": None}) == QueryAnswer(sender="ada-1", payload=b"")
    assert records.read_query_record(answer | {b"From": b""}) == UnknownRecord(kind="response")
    assert records.read_query_record(answer | {b"Type": b"ack"}) == QueryAcknowledged(sender="ada-1")
    assert records.read_query_record(answer | {b"Type": b"ack", b"From": b""}) == UnknownRecord(kind="ack")
    assert records.read_query_record(answer | {b"Type": b"done"}) is None
    with pytest.raises(BrokenRpcError):
        records.read_query_record({b"Type": b"response", b"Payload": b""})


@pytest.mark.parametrize(
    ("line", "is_told"),
    [
        ("2026/11/28 15:17:27 [WARN] agent.ipc: Dropping event to ipc.client: 127.0.0.1:42514\n", True),
        ("2026/11/28 15:17:27 [WARN] agent.ipc: Dropping event to ipc.client: 127.0.0.1:4251", False),
        ("2026/11/28 15:17:27 [WARN] agent.ipc: Dropping logs to ipc.client: 127.0.0.1:42514", False),
        ("", False),
    ],
)
def test_a_drop_is_told_in_the_log_by_the_clients_address(line: str, is_told: bool) -> None:
    assert tells_of_a_drop(line, "127.0.0.1:42514") is is_told
