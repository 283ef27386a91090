"""The token chain, and hostile tokens: each is refused with a code, none is an error of a library."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from session.claims import AccountMark
from session.keys import ClusterKeys
from session.tokens import LEEWAY_S, MAX_TOKEN_BYTES, Tokens
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, RoomId, SessionId, UserId

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000.0
KEYS = ClusterKeys.generate()
USER, DEVICE, ROOM = UserId("us_1"), DeviceId("device-01"), RoomId("hall")
SESSION = SessionId("0123456789abcdef" * 2)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(KEYS, cluster="alps", clock=clock)


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def sign(header: dict[str, Any] | str, payload: dict[str, Any] | bytes, keys: ClusterKeys = KEYS) -> str:
    """A token with any header and payload, really signed."""
    head = b64(header if isinstance(header, str) else json.dumps(header))
    body = b64(payload if isinstance(payload, bytes) else json.dumps(payload))
    return f"{head}.{body}.{b64(keys.signing_key.sign(f'{head}.{body}'.encode()))}"


def head(**changes: Any) -> dict[str, Any]:
    return {"alg": "Ed25519", "typ": "JWT", "kid": next(iter(KEYS.verifying)), **changes}


def body(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": "alps",
        "aud": "starling/session",
        "sub": "us_1",
        "exp": NOW + 60,
        "iat": NOW,
        "jti": "x",
        "name": "Ann",
        "device": "device-01",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def refusal(tokens: Tokens, token: str) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        tokens.verify_session(token)
    assert token[:20] not in refused.value.message or len(token) < 20
    assert refused.value.message.endswith(".")
    return refused.value.code


def test_the_chain(tokens: Tokens) -> None:
    user = tokens.verify_user(tokens.issue_user(user=USER, name="Ann"))
    assert (user.user, user.name, user.expires_at) == (USER, "Ann", NOW + tokens.lifetimes.user_s)
    fresh = tokens.verify_session(tokens.issue_session(user=USER, device=DEVICE, name="Ann"))
    named = tokens.verify_session(tokens.issue_session(user=USER, device=DEVICE, name="Ann", session=SESSION))
    assert (fresh.session, named.session, named.device) == (None, SESSION, DEVICE)
    assert fresh.token_id != named.token_id
    room = tokens.verify_room(room_token(tokens), session=SESSION)
    assert (room.room, room.user, room.device, room.session, room.attempt) == (ROOM, USER, DEVICE, SESSION, 7)


def room_token(tokens: Tokens) -> str:
    return tokens.issue_room(room=ROOM, user=USER, device=DEVICE, name="Ann", session=SESSION, attempt=7)


def test_the_account_and_its_generation_go_along(tokens: Tokens) -> None:
    mark = AccountMark(login="ann", generation=3)
    user = tokens.issue_user(user=USER, name="Ann", account=mark)
    session = tokens.issue_session(user=USER, device=DEVICE, name="Ann", account=mark)
    assert tokens.verify_user(user).account == tokens.verify_session(session).account == mark
    assert tokens.verify_user(tokens.issue_user(user=USER, name="Ann")).account is None
    assert tokens.verify_session(tokens.issue_session(user=USER, device=DEVICE, name="Ann")).account is None


@pytest.mark.parametrize("claims", [{"login": 3, "gen": 1}, {"login": "ann", "gen": "1"}, {"login": "ann", "gen": 1.5}])
def test_an_account_that_is_none_is_refused(tokens: Tokens, claims: dict[str, Any]) -> None:
    payload = {"iss": "alps", "aud": "starling/user", "sub": USER, "exp": NOW + 60, "iat": NOW, "jti": "1", "name": "A"}
    assert tokens.verify_user(sign(head(), payload)).account is None
    assert tokens.verify_user(sign(head(), {**payload, "login": "ann"})).account is None
    with pytest.raises(Refused) as caught:
        tokens.verify_user(sign(head(), {**payload, **claims}))
    assert caught.value.code is ErrorCode.TOKEN_INVALID


def test_a_room_token_is_for_one_session(tokens: Tokens) -> None:
    with pytest.raises(Refused, match="another session") as refused:
        tokens.verify_room(room_token(tokens), session=SessionId("f" * 32))
    assert refused.value.code is ErrorCode.TOKEN_INVALID


def test_no_token_passes_for_another_kind(tokens: Tokens) -> None:
    user, session = tokens.issue_user(user=USER, name="A"), tokens.issue_session(user=USER, device=DEVICE, name="A")
    for wrong in (user, room_token(tokens)):
        assert refusal(tokens, wrong) is ErrorCode.TOKEN_INVALID
    with pytest.raises(Refused):
        tokens.verify_user(session)
    with pytest.raises(Refused):
        tokens.verify_room(session, session=SESSION)


def test_a_token_of_the_wrong_kind_hears_which_came_which_is_wanted_and_where_it_is_had(tokens: Tokens) -> None:
    user, session = tokens.issue_user(user=USER, name="A"), tokens.issue_session(user=USER, device=DEVICE, name="A")

    def said(verify: Callable[[], object]) -> str:
        with pytest.raises(Refused) as refused:
            verify()
        assert refused.value.code is ErrorCode.TOKEN_INVALID
        return refused.value.message

    to_session = said(lambda: tokens.verify_session(user))
    assert to_session.startswith("This is a user token, and a session token is wanted: POST /v1/sessions gives one")
    assert said(lambda: tokens.verify_session(room_token(tokens))).startswith("This is a room token, and a session")
    to_user = said(lambda: tokens.verify_user(session))
    assert to_user.startswith("This is a session token, and a user token is wanted")
    assert "starling token create" in to_user
    assert "/v1/sessions" not in to_user
    assert "/v1/rooms/{room}/join" in said(lambda: tokens.verify_room(session, session=SESSION))
    # What has no form is no reason to send people in a circle either.
    assert "/v1/sessions" not in said(lambda: tokens.verify_user("a.b.c"))
    foreign = sign(head(), body(aud="somewhere <b>else</b>"))
    assert "somewhere" not in said(lambda: tokens.verify_session(foreign))


def test_time(tokens: Tokens, clock: Clock) -> None:
    token = tokens.issue_session(user=USER, device=DEVICE, name="Ann")
    clock.now = NOW + tokens.lifetimes.session_s + LEEWAY_S - 1
    tokens.verify_session(token)
    clock.now += 1
    assert refusal(tokens, token) is ErrorCode.TOKEN_EXPIRED
    clock.now = NOW - LEEWAY_S
    tokens.verify_session(token)
    clock.now -= 1
    assert refusal(tokens, token) is ErrorCode.TOKEN_INVALID


def test_both_live_keys_verify_and_a_dropped_one_is_foreign(tokens: Tokens) -> None:
    old = tokens.issue_session(user=USER, device=DEVICE, name="Ann")
    rotated = KEYS.rotated()
    assert Tokens(rotated, cluster="alps", clock=lambda: NOW).verify_session(old).user == USER
    dropped = Tokens(rotated.rotated(), cluster="alps", clock=lambda: NOW)
    assert refusal(dropped, old) is ErrorCode.TOKEN_FOREIGN


def test_a_token_of_another_cluster_is_foreign(tokens: Tokens) -> None:
    same_keys = Tokens(KEYS, cluster="andes", clock=lambda: NOW)
    other_keys = Tokens(ClusterKeys.generate(), cluster="alps", clock=lambda: NOW)
    for issuer in (same_keys, other_keys):
        token = issuer.issue_session(user=USER, device=DEVICE, name="Ann")
        assert refusal(tokens, token) is ErrorCode.TOKEN_FOREIGN


def test_user_tokens_of_others_may_say_eddsa_and_name_no_key(tokens: Tokens) -> None:
    claims = body(aud=["other", "starling/user"], device=..., name=..., roles=["x"])
    assert tokens.verify_user(sign({"alg": "EdDSA", "typ": "JWT"}, claims)).name == "us_1"
    assert refusal(tokens, sign(head(alg="EdDSA"), body())) is ErrorCode.TOKEN_INVALID
    unknown = sign({"alg": "EdDSA"}, claims, ClusterKeys.generate())
    with pytest.raises(Refused) as refused:
        tokens.verify_user(unknown)
    assert refused.value.code is ErrorCode.TOKEN_FOREIGN


def sign_hs256(secret: bytes, payload: dict[str, Any]) -> str:
    text = f"{b64(json.dumps({'alg': 'HS256'}))}.{b64(json.dumps(payload))}"
    return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha256'))}"


GOOD = sign(head(), body())
PARTS = GOOD.split(".")
PUBLIC_PEM = OKPKey.import_key({**KEYS.jwks()["keys"][0]}).as_pem(private=False)

HOSTILE: dict[str, str] = {
    "empty": "",
    "dots": "..",
    "one part": "abc",
    "two parts": ".".join(PARTS[:2]),
    "four parts": GOOD + ".x",
    "five parts (JWE)": "a.b.c.d.e",
    "too long": "a" * (MAX_TOKEN_BYTES + 1),
    "long signature": GOOD + "A" * 2_000,
    "not ASCII": GOOD + "é",
    "newline": GOOD + "\n",
    "space": " " + GOOD,
    "padding": GOOD + "==",
    "not base64": "!!!." + ".".join(PARTS[1:]),
    "standard base64 alphabet": "+/+/." + ".".join(PARTS[1:]),
    "header not JSON": sign("nope", body()),
    "header a list": sign("[]", body()),
    "header a number": sign("1", body()),
    "header null": sign("null", body()),
    "header not UTF-8": b64(b"\xff\xfe") + "." + ".".join(PARTS[1:]),
    "header deep": b64("[" * 200 + "]" * 200) + "." + ".".join(PARTS[1:]),
    "header big": sign(head(kid="k" * 600), body()),
    "no alg": sign({"typ": "JWT"}, body()),
    "alg a list": sign(head(alg=["Ed25519"]), body()),
    "alg null": sign(head(alg=None), body()),
    "kid a number": sign(head(kid=1), body()),
    "crit": sign(head(crit=["exp"], exp=1), body()),
    "crit empty": sign(head(crit=[]), body()),
    "b64 false": sign(head(b64=False, crit=["b64"]), body()),
    "zip": sign(head(zip="DEF"), body()),
    "jwk": sign(head(jwk=KEYS.jwks()["keys"][0]), body()),
    "jku": sign(head(jku="https://example.org/keys"), body()),
    "x5u": sign(head(x5u="https://example.org/cert"), body()),
    "x5c": sign(head(x5c=["MII"]), body()),
    "enc": sign(head(enc="A128GCM"), body()),
    "typ": sign(head(typ="at+jwt"), body()),
    "typ JWE": sign(head(typ="JWE"), body()),
    "no signature": ".".join([*PARTS[:2], ""]),
    "short signature": GOOD[:-4],
    "zero signature": ".".join([*PARTS[:2], b64(b"\0" * 64)]),
    "other payload": ".".join([PARTS[0], b64(json.dumps(body(sub="admin"))), PARTS[2]]),
    "other header": ".".join([b64(json.dumps({"alg": "Ed25519", "kid": head()["kid"]})), *PARTS[1:]]),
    "signature respelled": GOOD[:-1] + chr(ord(GOOD[-1]) + 1),
    "HS256 over the public key": sign_hs256(PUBLIC_PEM, body()),
    "payload not JSON": sign(head(), b"nope"),
    "payload empty": sign(head(), b""),
    "payload a list": sign(head(), b"[]"),
    "payload null": sign(head(), b"null"),
    "payload not UTF-8": sign(head(), b'{"iss": "\xff"}'),
    "payload deep": sign(head(), b'{"iss":' + b"[" * 1_000 + b"]" * 1_000 + b"}"),
    "device short": sign(head(), body(device="x")),
    "device with a colon": sign(head(), body(device="device:001")),
    "session short": sign(head(), body(session="ab")),
    "session upper case": sign(head(), body(session="A" * 32)),
    "session unicode digits": sign(head(), body(session="\u0660" * 32)),
    "name empty": sign(head(), body(name="")),
    "name long": sign(head(), body(name="x" * 65)),
    "name with a line break": sign(head(), body(name="a\nb")),
    "name right to left": sign(head(), body(name="a\u202eb")),
    "sub empty": sign(head(), body(sub="")),
    "sub long": sign(head(), body(sub="x" * 129)),
    "sub with a zero byte": sign(head(), body(sub="a\0b")),
    "jti empty": sign(head(), body(jti="")),
    "jti long": sign(head(), body(jti="x" * 129)),
    "aud other": sign(head(), body(aud="starling/room")),
    "aud prefix": sign(head(), body(aud="starling/sessions")),
    "aud empty list": sign(head(), body(aud=[])),
    "aud of numbers": sign(head(), body(aud=[1])),
    "exp negative": sign(head(), body(exp=-1)),
    "exp far": sign(head(), body(exp=2**62)),
    "exp a float beyond all": sign(head(), json.dumps(body()).replace(str(NOW + 60), "1e400").encode()),
    "exp not a number": sign(head(), json.dumps(body(exp=float("nan"))).encode()),
    "nbf ahead": sign(head(), body(nbf=NOW + LEEWAY_S + 1)),
    "iat ahead": sign(head(), body(iat=NOW + LEEWAY_S + 1)),
    "nbf negative": sign(head(), body(iat=-5, nbf=-5)),
}
for _alg in (
    "none",
    "None",
    "NONE",
    "",
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "PS256",
    "ES256",
    "ES256K",
    "Ed448",
    "ed25519",
    "EdDSA",
):
    HOSTILE[f"alg {_alg!r}"] = sign(head(alg=_alg), body())
    HOSTILE[f"alg {_alg!r}, no signature"] = ".".join([b64(json.dumps({"alg": _alg})), PARTS[1], ""])
for _claim in ("iss", "aud", "sub", "exp", "iat", "jti", "name", "device"):
    HOSTILE[f"no {_claim}"] = sign(head(), body(**{_claim: ...}))
    _values: tuple[object, ...] = (None, True, [], {}, {"a": 1})
    for _value in _values:
        if (_claim, _value) != ("aud", []):
            HOSTILE[f"{_claim} is {_value!r}"] = sign(head(), body(**{_claim: _value}))
for _text in ("exp", "iat", "nbf"):
    HOSTILE[f"{_text} as text"] = sign(head(), body(**{_text: str(NOW)}))
for _number in ("iss", "sub", "jti", "name", "device", "session"):
    HOSTILE[f"{_number} as number"] = sign(head(), body(**{_number: 5}))


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_tokens_are_invalid(tokens: Tokens, what: str) -> None:
    assert refusal(tokens, HOSTILE[what]) is ErrorCode.TOKEN_INVALID


def test_the_sample_that_the_hostile_ones_vary_is_good(tokens: Tokens) -> None:
    assert tokens.verify_session(GOOD).user == "us_1"
    assert len(HOSTILE) > 130


FOREIGN: dict[str, str] = {
    "kid unknown": sign(head(kid="nobody"), body()),
    "kid empty": sign(head(kid=""), body()),
    "kid a path": sign(head(kid="../../dev/null"), body()),
    "iss other": sign(head(), body(iss="andes")),
    "iss empty": sign(head(), body(iss="")),
    "signed by a stranger": sign({"alg": "Ed25519"}, body(), ClusterKeys.generate()),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_foreign_tokens(tokens: Tokens, what: str) -> None:
    assert refusal(tokens, FOREIGN[what]) is ErrorCode.TOKEN_FOREIGN


@pytest.mark.parametrize("attempt", [0, -1, 2**53, 1.5, True, "1", None])
@pytest.mark.parametrize("room", ["hall", "", "a/b", "x" * 65])
def test_hostile_room_claims(tokens: Tokens, attempt: object, room: str) -> None:
    token = sign(head(), body(aud="starling/room", session=SESSION, room=room, attempt=attempt))
    with pytest.raises(Refused) as refused:
        tokens.verify_room(token, session=SESSION)
    assert refused.value.code is ErrorCode.TOKEN_INVALID


@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(st.binary(max_size=80), min_size=3, max_size=3).map(
            lambda parts: ".".join(b64(part) for part in parts)
        ),
    )
)
def test_garbage_is_refused(garbage: str) -> None:
    with pytest.raises(Refused):
        Tokens(KEYS, cluster="alps").verify_user(garbage)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABCxyz019-_."))
def test_no_changed_letter_passes(index: int, letter: str) -> None:
    changed = GOOD[:index] + letter + GOOD[index + 1 :]
    if changed != GOOD:
        with pytest.raises(Refused):
            Tokens(KEYS, cluster="alps", clock=lambda: NOW).verify_session(changed)


def test_a_mutant_that_trusts_the_header_is_killed(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "session.tokens._payload_if_signed", lambda token, key: base64.urlsafe_b64decode(token.split(".")[1] + "===")
    )
    tokens.verify_session(HOSTILE["other payload"])
    with pytest.raises(Refused):
        tokens.verify_session(HOSTILE["alg 'none', no signature"])


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_nothing_is_issued_that_would_not_verify(tokens: Tokens, name: str) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        tokens.issue_user(user=USER, name=name)
    with pytest.raises(ValueError, match="out of bounds"):
        tokens.issue_session(user=USER, device=DeviceId("x"), name="Ann")
    with pytest.raises(ValueError, match="out of bounds"):
        tokens.issue_room(room=ROOM, user=USER, device=DEVICE, name="Ann", session=SESSION, attempt=0)


def test_the_published_keys_are_public_and_verify(tokens: Tokens) -> None:
    (published,) = KEYS.jwks()["keys"]
    assert set(published) == {"kty", "crv", "x", "kid", "use", "alg"}
    token = tokens.issue_session(user=USER, device=DEVICE, name="Ann")
    assert jws.deserialize_compact(token, OKPKey.import_key(dict(published)), algorithms=["Ed25519"]).payload
    assert Ed25519PrivateKey.generate().public_key() != KEYS.signing_key.public_key()
