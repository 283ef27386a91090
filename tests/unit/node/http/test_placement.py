"""What a client may say of where it is, and what it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.http.candidates import CandidateQuery
from node.http.rest.placement_query import MAX_MEASURED
from tests.unit.node.http.fakes import FakeBackend, make_app

if TYPE_CHECKING:
    from pathlib import Path

    from quart.typing import TestClientProtocol


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


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/explain/placement"])
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
        ("&".join(f"rtt=n{number}:1" for number in range(MAX_MEASURED + 1)), "at most 64"),
        ("residency=E%20U", "short word"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(
    client: TestClientProtocol, path: str, said: str, word: str
) -> None:
    response = await client.get(f"{path}?{said}")
    error = (await response.get_json())["error"]
    assert (response.status_code, error["code"]) == (400, "malformed_message")
    assert word in error["message"]


def test_a_query_that_is_printed_says_nothing_of_who_asked() -> None:
    query = CandidateQuery(latitude=52.51234, longitude=13.4, address="198.51.100.7", spread_key=b"198.51.100.7")
    assert "198.51" not in repr(query)
    assert "52.5" not in repr(query)
