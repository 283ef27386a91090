"""What a client may say of where it is, what it is answered, and when it is sent to another node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from node.http.candidates import CandidateQuery, LeftOut, NodeCandidate, SessionPlace
from signalling.client.messages import MAX_MEASURED_NODES
from signalling.ids import NodeId
from tests.unit.node.http.fakes import FakeBackend, make_app

if TYPE_CHECKING:
    from pathlib import Path

    from quart.typing import TestClientProtocol
    from trio.testing import MockClock

BETTER = NodeCandidate(
    node=NodeId("b"),
    url="https://b.example",
    region="eu",
    latitude=None,
    longitude=None,
    load="low",
    rtt_ms=20.0,
    why=("20 ms away, as the client measured",),
)


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def client(backend: FakeBackend, web_root: Path) -> TestClientProtocol:
    return make_app(backend, web_root).test_client()


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/explain/placement"])
async def test_a_question_knows_position_room_and_measurements(
    client: TestClientProtocol, backend: FakeBackend, path: str
) -> None:
    response = await client.get(f"{path}?lat=52.5&lon=-13.4&room=den&residency=eu&rtt=a-1:20.5&rtt=b:0")
    assert (await response.get_json())["nodes"][0]["why"]
    (query,) = backend.asked
    assert isinstance(query, CandidateQuery)
    assert (query.latitude, query.longitude, query.room, query.residency) == (52.5, -13.4, "den", "eu")
    assert query.rtts_ms == {"a-1": 20.5, "b": 0}


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/explain/placement", "/v1/sessions"])
@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("lat=1", "together"),
        ("lat=nan&lon=0", "-90 to 90"),
        ("lat=91&lon=0", "-90 to 90"),
        ("lat=0&lon=-181", "-180 to 180"),
        ("lat=0&lon=east", "-180 to 180"),
        ("rtt=a", "such as rtt=ams-1:23.5"),
        ("rtt=a:", "such as"),
        ("rtt=a:-1", "such as"),
        ("rtt=a:inf", "such as"),
        ("rtt=a:nan", "such as"),
        ("rtt=A%20b:1", "such as"),
        ("rtt=a:1&rtt=a:2", "twice"),
        ("&".join(f"rtt=n{number}:1" for number in range(MAX_MEASURED_NODES + 1)), "at most 64"),
        ("residency=E%20U", "short word"),
        ("latitude=1&longitude=2", "It takes lat, lon, room, residency, rtt"),
        ("lat=1&lat=1&lon=2", "lat is given twice"),
        ("lat=1&lon=2&lon=3", "lon is given twice"),
        ("room=den&room=hall", "room is given twice"),
        ("residency=eu&residency=us", "residency is given twice"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(
    client: TestClientProtocol, path: str, said: str, word: str
) -> None:
    response = await (client.post if path.endswith("sessions") else client.get)(f"{path}?{said}")
    error = (await response.get_json())["error"]
    assert (response.status_code, error["code"]) == (400, "malformed_message")
    assert word in error["message"]


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/explain/placement", "/v1/explain/track/t-1"])
async def test_only_a_session_is_asked_to_stay(client: TestClientProtocol, path: str) -> None:
    response = await client.get(f"{path}?stay=1")
    error = (await response.get_json())["error"]
    assert (response.status_code, error["code"]) == (400, "malformed_message")
    assert "stay" not in error["message"]


async def test_a_switch_is_1_or_0(client: TestClientProtocol) -> None:
    assert (await client.post("/v1/sessions?stay=yes")).status_code == 400


def test_a_query_that_is_printed_says_nothing_of_who_asked() -> None:
    query = CandidateQuery(latitude=52.51234, longitude=13.4, address="198.51.100.7", spread_key=b"198.51.100.7")
    assert "198.51" not in repr(query)
    assert "52.5" not in repr(query)


# --- sending on ---------------------------------------------------------------------------


async def test_a_client_that_is_much_nearer_to_another_node_is_sent_there(
    client: TestClientProtocol, backend: FakeBackend
) -> None:
    backend.place = SessionPlace(better=BETTER)
    response = await client.post("/v1/sessions?rtt=a:200&rtt=b:20", json={"name": "Ada"})
    assert response.status_code == 307
    assert response.headers["Location"] == "https://b.example/v1/sessions?stay=1"
    assert (await response.get_json())["better"]["node"] == "b"
    assert backend.placed[0].rtts_ms == {"a": 200, "b": 20}
    assert not backend.asked, "no session was made"


async def test_who_insists_stays(client: TestClientProtocol, backend: FakeBackend) -> None:
    backend.place = SessionPlace(better=BETTER)
    assert (await client.post("/v1/sessions?stay=1")).status_code == 201


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 307),
        ("http://node.test:8080", 307),
        ("http://localhost", 307),
        # It would say `Origin: null` at the third node, which lets nobody in that says so.
        ("https://eu.example.org", 201),
    ],
)
async def test_a_page_is_sent_on_only_where_it_can_follow(
    backend: FakeBackend, web_root: Path, origin: str | None, status: int
) -> None:
    backend.place, backend.urls = SessionPlace(better=BETTER), ("https://eu.example.org",)
    client = make_app(backend, web_root).test_client()
    response = await client.post("/v1/sessions", headers={} if origin is None else {"Origin": origin})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("left_out", "status", "code"),
    [("draining", 503, "node_draining"), ("ineligible", 503, "node_full"), ("residency", 409, "room_not_here")],
)
@pytest.mark.parametrize("asked", ["stays", "is a page of another origin", "has nowhere to go"])
async def test_a_node_that_does_not_take_somebody_names_those_that_do(
    backend: FakeBackend, web_root: Path, left_out: str, status: int, code: str, asked: str
) -> None:
    nodes = () if asked == "has nowhere to go" else (BETTER,)
    why = LeftOut(node=NodeId("a"), code=left_out, text="because")
    backend.place, backend.urls = (
        SessionPlace(better=BETTER if nodes else None, left_out=why, nodes=nodes),
        ("https://eu.example.org",),
    )
    headers = {"Origin": "https://eu.example.org"} if "page" in asked else {}
    path = f"/v1/sessions?stay={int(asked == 'stays')}"
    response = await make_app(backend, web_root).test_client().post(path, headers=headers)
    error = (await response.get_json())["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert "because" in error["message"]
    assert [node["url"] for node in error["nodes"]] == [node.url for node in nodes]
    assert not backend.asked, "no session was made"


async def test_a_node_that_takes_nobody_new_sends_on_whoever_can_follow(
    client: TestClientProtocol, backend: FakeBackend
) -> None:
    why = LeftOut(node=NodeId("a"), code="draining", text="because")
    backend.place = SessionPlace(better=BETTER, left_out=why, nodes=(BETTER,))
    assert (await client.post("/v1/sessions")).headers["Location"] == "https://b.example/v1/sessions?stay=1"


async def test_for_any_other_reason_whoever_insists_is_taken(client: TestClientProtocol, backend: FakeBackend) -> None:
    why = LeftOut(node=NodeId("a"), code="protocol", text="because")
    backend.place = SessionPlace(better=BETTER, left_out=why, nodes=(BETTER,))
    assert (await client.post("/v1/sessions?stay=1")).status_code == 201


async def test_a_body_that_does_not_fit_is_refused_here_already(
    client: TestClientProtocol, backend: FakeBackend
) -> None:
    backend.place = SessionPlace(better=BETTER)
    assert (await client.post("/v1/sessions", json={"nmae": "Ada"})).status_code == 400


async def test_being_sent_on_counts_as_a_session(backend: FakeBackend, web_root: Path, autojump_clock: object) -> None:
    backend.place = SessionPlace(better=BETTER)
    client = make_app(backend, web_root, sessions_burst=2, sessions_per_minute=6).test_client()
    assert [(await client.post("/v1/sessions")).status_code for _ in range(3)] == [307, 307, 429]


# --- pace ---------------------------------------------------------------------------------


async def test_who_asks_for_nodes_too_fast_is_told_when_to_come_again(
    backend: FakeBackend, web_root: Path, autojump_clock: MockClock
) -> None:
    client = make_app(backend, web_root, placements_burst=2, placements_per_minute=6).test_client()
    assert (await client.get("/v1/nodes")).status_code == 200
    assert (await client.get("/v1/explain/placement")).status_code == 200, "both draw on the same pace"
    refused = await client.get("/v1/nodes")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    assert (await refused.get_json())["error"]["code"] == "rate_limited"
    assert len(backend.asked) == 2, "nobody weighed nodes for the third"
    assert (await client.post("/v1/sessions")).status_code == 201, "sessions have a pace of their own"
    await trio.sleep(10)
    assert (await client.get("/v1/explain/placement")).status_code == 200


async def test_a_preflight_and_another_address_cost_nothing(
    backend: FakeBackend, web_root: Path, autojump_clock: MockClock
) -> None:
    app = make_app(backend, web_root, placements_burst=1, placements_per_minute=6, trusted_proxies=["127.0.0.0/8"])
    client = app.test_client()
    page = {"Origin": "http://node.test:8080", "Access-Control-Request-Method": "GET"}
    assert (await client.options("/v1/nodes", headers=page)).status_code == 204

    async def ask(address: str) -> int:
        answer = await client.get(
            "/v1/nodes", headers={"X-Forwarded-For": address}, scope_base={"client": ("127.0.0.1", 1)}
        )
        return answer.status_code

    assert [await ask(one) for one in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [200, 429, 200]
