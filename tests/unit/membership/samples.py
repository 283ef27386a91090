"""Members and tags to test with."""

import hashlib
from dataclasses import replace

import msgpack  # type: ignore[import-untyped]
from hypothesis import strategies as st

from membership.members.tags import AgentKind, LoadClass, NodeState, NodeTags, encode_tags, serf_name
from membership.rpc.records import SerfMember
from signalling.ids import NodeId

TAGS = NodeTags(
    cluster="test",
    node_id=NodeId("ada"),
    boot=3,
    agent_boot=4,
    role="media",
    region="eu-north",
    latitude=60.1699,
    longitude=-24.9384,
    public_url="https://ada.example:8443",
    media_addresses=("203.0.113.7:40000", "[2001:db8::7]:40000"),
    protocol_min=1,
    protocol_max=2,
    state=NodeState.DRAINING,
    load=LoadClass.BUSY,
    public_key=bytes(range(32)),
    certificate=bytes(range(64)),
)


def packed(value: object, *, old_form: bool = False) -> bytes:
    """Msgpack of a value; the old form knows neither bytes nor short strings of their own."""
    data = msgpack.packb(value, use_bin_type=not old_form)
    assert isinstance(data, bytes)
    return data


def a_member(
    node_id: str, agent_boot: int = 1, *, status: str = "alive", port: int = 7946, **tags: object
) -> SerfMember:
    """A member as an agent lists it, with a key that goes with its id."""
    named = replace(
        TAGS,
        node_id=NodeId(node_id),
        boot=agent_boot,
        agent_boot=agent_boot,
        state=NodeState.SERVING,
        public_key=hashlib.sha256(node_id.encode()).digest(),
    )
    return SerfMember(
        name=serf_name(NodeId(node_id), agent_boot),
        address="127.0.0.1",
        port=port,
        tags=encode_tags(replace(named, **tags)),  # type: ignore[arg-type]
        status=status,
    )


degrees = st.decimals(-90, 90, places=4).map(float)

tags = st.builds(
    NodeTags,
    cluster=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?", fullmatch=True),
    node_id=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True).map(NodeId),
    boot=st.integers(0, 2**53 - 1),
    agent_boot=st.integers(0, 2**53 - 1),
    role=st.sampled_from(["media", "edge"]),
    region=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9])?", fullmatch=True),
    latitude=degrees,
    longitude=degrees,
    residency=st.sampled_from([None, "eu", "us-east.1"]),
    transit_price_ms=st.integers(0, 10_000),
    public_url=st.from_regex(r"https?://[!-~]{1,60}", fullmatch=True),
    media_addresses=st.lists(
        st.tuples(st.ip_addresses(v=4), st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"), max_size=3
    ).map(tuple),
    protocol_min=st.integers(0, 3),
    protocol_max=st.integers(3, 9),
    state=st.sampled_from(NodeState),
    load=st.sampled_from(LoadClass),
    agent=st.sampled_from(AgentKind),
    public_key=st.binary(min_size=32, max_size=32),
    certificate=st.none() | st.binary(min_size=64, max_size=64),
)
