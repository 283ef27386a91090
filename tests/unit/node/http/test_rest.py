from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog
import structlog.testing

from node.http.backend import JoinRequest, ReadinessProblem
from signalling.client.accounts import LogIn, PasswordChange, Registration
from signalling.client.admission import SessionRequest
from signalling.client.rooms import RoomCreation
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId
from tests.unit.node.http.fakes import GOOD_TOKEN, make_app

if TYPE_CHECKING:
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from tests.unit.node.http.fakes import FakeBackend

BEARER = {"Authorization": f"Bearer {GOOD_TOKEN}"}


@pytest.fixture
def client(backend: FakeBackend, web_root: Path) -> TestClientProtocol:
    return make_app(backend, web_root).test_client()


async def test_a_guest_gets_a_session(client: TestClientProtocol, backend: FakeBackend) -> None:
    response = await client.post("/v1/sessions", json={"name": "Ada"})
    assert response.status_code == 201
    body = await response.get_json()
    assert set(body) == {"token", "session_url", "user", "device", "expires_in_s"}
    assert response.headers["Cache-Control"] == "no-store"
    assert backend.asked == [SessionRequest(name="Ada")]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b'{"nam": "x"}', "`nam`. Its fields are: name, device, token."),
        (b'{"name": 3}', "name"),
        (b"[]", "does not fit"),
        (b"\xff", "JSON"),
    ],
)
async def test_a_bad_body_is_refused_in_json(
    client: TestClientProtocol, backend: FakeBackend, body: bytes, says: str
) -> None:
    response = await client.post("/v1/sessions", data=body)
    assert response.status_code == 400
    error = (await response.get_json())["error"]
    assert error["code"] == "malformed_message"
    assert says in error["message"]
    assert not backend.asked


async def test_a_choice_that_there_is_not_names_those_there_are(client: TestClientProtocol) -> None:
    response = await client.post("/v1/rooms", headers=BEARER, json={"room": "den", "codec_policy": "third"})
    assert response.status_code == 400
    message = (await response.get_json())["error"]["message"]
    assert message.endswith("`codec_policy` is none of the words that it may be. It is one of: restrict, second, tell.")


async def test_a_long_body_is_refused(client: TestClientProtocol) -> None:
    response = await client.post("/v1/sessions", data=b"x" * 70_000)
    assert response.status_code == 413
    assert (await response.get_json())["error"]["code"] == "message_too_large"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/notes.txt", 404, "not_found"),
        ("GET", "/../fakes.py", 404, "not_found"),
        ("DELETE", "/v1/sessions", 405, "method_not_allowed"),
        ("GET", "/v1/sessions", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
        ("GET", "/v1/rooms", 401, "token_invalid"),
        ("POST", "/v1/rooms/a%20b/join", 400, "room_invalid"),
        ("GET", "/v1/nodes?room=%20", 400, "room_invalid"),
    ],
)
async def test_every_refusal_is_json(
    client: TestClientProtocol, method: str, path: str, status: int, code: str
) -> None:
    response = await client.open(path, method=method, json=None)
    assert (response.status_code, (await response.get_json())["error"]["code"]) == (status, code)


async def test_rooms(client: TestClientProtocol, backend: FakeBackend) -> None:
    assert (await client.get("/v1/rooms", headers=BEARER)).status_code == 200
    made = await client.post("/v1/rooms", headers=BEARER, json={"room": "den", "on_join": "multi"})
    assert made.status_code == 201
    joined = await client.post("/v1/rooms/den/join", headers=BEARER, json={"attempt": 3})
    assert (await joined.get_json())["room_token"] == "room-token"
    assert backend.asked[1:] == [RoomCreation(room=RoomId("den"), on_join="multi"), ("den", JoinRequest(attempt=3))]


async def test_a_refusal_of_the_backend_reaches_the_client(client: TestClientProtocol, backend: FakeBackend) -> None:
    backend.failure = Refused(ErrorCode.STORE_UNAVAILABLE, "The store does not answer; try again.")
    response = await client.post("/v1/sessions")
    assert response.status_code == 503
    assert (await response.get_json())["error"]["message"].startswith("The store")


async def test_a_failure_of_the_backend_is_a_plain_500(client: TestClientProtocol, backend: FakeBackend) -> None:
    backend.failure = RuntimeError("secret detail")
    with structlog.testing.capture_logs() as lines:
        response = await client.post("/v1/sessions", json={"token": "a-user-token"})
    assert response.status_code == 500
    assert "secret" not in await response.get_data(as_text=True)
    assert [line["event"] for line in lines] == ["request_failed"]
    assert "a-user-token" not in str(lines)


async def test_a_slow_backend_is_not_waited_for(backend: FakeBackend, web_root: Path, autojump_clock: object) -> None:
    backend.delay_s = 60
    response = await make_app(backend, web_root, request_deadline_s=2.0).test_client().get("/v1/nodes")
    assert response.status_code == 504
    assert (await response.get_json())["error"]["code"] == "deadline_exceeded"


async def test_sessions_are_paced_by_address(backend: FakeBackend, web_root: Path, autojump_clock: object) -> None:
    client = make_app(backend, web_root, sessions_burst=2, sessions_per_minute=6).test_client()
    statuses = [(await client.post("/v1/sessions")).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
    refused = await client.post("/v1/sessions", json={"name": "Ann"})
    assert refused.headers["Retry-After"] == "10"  # six a minute
    assert "10 s" in (await refused.get_json())["error"]["message"]


async def test_changes_of_rooms_are_paced_by_address_and_reading_is_not(
    backend: FakeBackend, web_root: Path, autojump_clock: object
) -> None:
    client = make_app(backend, web_root, changes_burst=2, changes_per_minute=6).test_client()
    statuses = [(await client.delete("/v1/rooms/den", headers=BEARER)).status_code for _ in range(3)]
    assert statuses[2] == 429
    assert 429 not in statuses[:2]
    assert (await client.get("/v1/rooms", headers=BEARER)).status_code == 200


async def test_health_and_readiness(client: TestClientProtocol, backend: FakeBackend) -> None:
    assert (await client.get("/readyz")).status_code == 200
    backend.missing = (ReadinessProblem(part="store", code="store_unavailable", message="It does not answer."),)
    response = await client.get("/readyz")
    body = await response.get_json()
    assert (response.status_code, body["status"]) == (200, "degraded")
    assert [one["code"] for one in body["reasons"]] == ["store_unavailable"]
    backend.problems = (ReadinessProblem(part="engine", code="engine_unavailable", message="It restarts."),)
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert (await response.get_json())["reasons"][0]["part"] == "engine"
    assert (await client.get("/healthz")).status_code == 200


async def test_metrics_are_what_the_services_say(client: TestClientProtocol) -> None:
    text = await (await client.get("/metrics")).get_data(as_text=True)
    assert "starling_rooms 2.0" in text
    assert 'starling_joins_total{how="again"} 4.0' in text
    assert "starling_websockets 0.0" in text


async def test_the_page_is_cached_by_its_content(client: TestClientProtocol) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    again = await client.get("/index.html", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304
    sdk = await client.get("/sdk/starling.js")
    assert sdk.headers["Content-Type"].startswith("text/javascript")
    assert sdk.headers["Cache-Control"] == "no-cache"


PAGE = {"Origin": "https://other.test"}
PREFLIGHT = {**PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_a_page_of_an_allowed_origin_imports_the_sdk(client: TestClientProtocol, backend: FakeBackend) -> None:
    backend.urls = ("https://other.test",)
    response = await client.get("/sdk/starling.js", headers=PAGE)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    refused = await client.get("/sdk/starling.js", headers={"Origin": "https://elsewhere.test"})
    assert refused.status_code == 403


async def test_pages_of_other_members_may_ask(client: TestClientProtocol, backend: FakeBackend) -> None:
    backend.urls = ("https://other.test/",)
    preflight = await client.options("/v1/sessions", headers=PREFLIGHT)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://other.test"
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization, content-type, if-match, if-none-match"
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert int(preflight.headers["Access-Control-Max-Age"]) > 600
    response = await client.post("/v1/sessions", headers=PAGE)
    assert response.status_code == 201
    assert response.headers["Access-Control-Allow-Origin"] == "https://other.test"
    assert "Origin" in response.vary


async def test_errors_reach_pages_of_other_members_too(client: TestClientProtocol, backend: FakeBackend) -> None:
    backend.urls = ("https://other.test",)
    response = await client.get("/v1/rooms", headers=PAGE)
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == "https://other.test"


@pytest.mark.parametrize("headers", [PAGE, PREFLIGHT, {"Origin": "null"}, {"Origin": "http://node.test.evil.test"}])
async def test_foreign_pages_are_refused(
    client: TestClientProtocol, backend: FakeBackend, headers: dict[str, str]
) -> None:
    method = "OPTIONS" if headers is PREFLIGHT else "POST"
    response = await client.open("/v1/sessions", method=method, headers=headers, json=None)
    assert response.status_code == 403
    assert (await response.get_json())["error"]["code"] == "origin_refused"
    assert "Access-Control-Allow-Origin" not in response.headers
    assert not backend.asked


async def test_what_is_asked_wrongly_is_told_what_is_wanted(client: TestClientProtocol) -> None:
    logged_out = await client.post("/v1/accounts/logout")
    assert "Send a user token" in (await logged_out.get_json())["error"]["message"]
    session = await client.get("/v1/session")
    assert session.status_code == 400
    assert "takes a WebSocket" in (await session.get_json())["error"]["message"]


async def test_accounts_are_resources(client: TestClientProtocol, backend: FakeBackend) -> None:
    credentials = {"login": "ann", "password": "three words long"}
    made = await client.post("/v1/accounts", json={**credentials, "name": "Ann"})
    logged_in = await client.post("/v1/accounts/login", json=credentials)
    changed = await client.post("/v1/accounts/password", json={**credentials, "new_password": "four words are longer"})
    logged_out = await client.post("/v1/accounts/logout", headers=BEARER)
    assert [answer.status_code for answer in (made, logged_in, changed, logged_out)] == [201, 200, 200, 200]
    assert set(await made.get_json()) == {"token", "user", "login", "name", "expires_in_s"}
    assert await logged_out.get_json() == {"sessions_ended": 2}
    assert made.headers["Cache-Control"] == "no-store"
    assert backend.asked == [
        Registration(login="ann", password="three words long", name="Ann"),
        LogIn(login="ann", password="three words long"),
        PasswordChange(login="ann", password="three words long", new_password="four words are longer"),
        "log out",
    ]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.CREDENTIALS_INVALID, 401),
        (ErrorCode.LOGGED_OUT, 401),
        (ErrorCode.NOT_PERMITTED, 403),
        (ErrorCode.ACCOUNT_EXISTS, 409),
        (ErrorCode.PASSWORD_UNFIT, 400),
        (ErrorCode.LOGIN_INVALID, 400),
    ],
)
async def test_what_accounts_refuse_has_its_status(
    client: TestClientProtocol, backend: FakeBackend, code: ErrorCode, status: int
) -> None:
    backend.failure = Refused(code, "No.")
    response = await client.post("/v1/accounts/login", json={"login": "ann", "password": "x"})
    assert response.status_code == status
    assert (await response.get_json())["error"]["code"] == code


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"login": "ann"}',
        b'{"login": "ann", "password": "secret-of-ann", "pin": 1}',
        b'{"login": "ann", "password": ["secret-of-ann"]}',
        b'{"login": "ann", "password": "\\ud800secret-of-ann"}',
        b'{"login": "ann", "password": "' + b"secret-of-ann" * 100 + b'"}',
    ],
)
async def test_a_bad_log_in_is_refused_without_a_word_of_it(
    client: TestClientProtocol, backend: FakeBackend, body: bytes
) -> None:
    with structlog.testing.capture_logs() as logs:
        response = await client.post("/v1/accounts/login", data=body)
    assert response.status_code == 400
    assert "secret" not in (await response.get_data(as_text=True)) + repr(logs)
    assert not backend.asked


async def test_an_internal_error_shows_no_password(client: TestClientProtocol, backend: FakeBackend) -> None:
    backend.failure = RuntimeError("broken")
    with structlog.testing.capture_logs() as logs:
        response = await client.post("/v1/accounts/login", json={"login": "ann", "password": "secret-of-ann"})
    assert response.status_code == 500
    assert logs
    assert "secret-of-ann" not in (await response.get_data(as_text=True)) + repr(logs)


async def test_one_address_asks_accounts_at_a_pace(backend: FakeBackend, web_root: Path) -> None:
    client = make_app(backend, web_root, logins_burst=2, logins_per_minute=6).test_client()
    answers = [
        await client.post(f"/v1/accounts{path}", json={"login": "ann", "password": "x"})
        for path in ("", "/login", "/login")
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 429]
    assert (await client.post("/v1/accounts/logout", headers=BEARER)).status_code == 429


async def test_the_chat_of_a_room_is_paged(client: TestClientProtocol, backend: FakeBackend) -> None:
    response = await client.get("/v1/rooms/hall/chat?before=me_1&limit=100", headers=BEARER)
    assert (response.status_code, await response.get_json()) == (200, {"messages": [], "more": False})
    assert backend.asked == [("chat page", "hall", "me_1", 100)]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=-1", "limit=%D9%A3", "limit=x", "before=" + "m" * 65])
async def test_a_page_that_cannot_be_is_refused(client: TestClientProtocol, query: str) -> None:
    response = await client.get(f"/v1/rooms/hall/chat?{query}", headers=BEARER)
    assert (response.status_code, (await response.get_json())["error"]["code"]) == (400, "malformed_message")
