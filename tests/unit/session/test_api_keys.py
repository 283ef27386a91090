"""Keys of an operator's backends: what a file may hold, and what may be signed with one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from session.api_keys import ApiKeys
from session.errors import SessionSetupError
from session.grants import Grants
from session.keys import ClusterKeys
from session.tokens import Tokens
from session.weak_points import FIELD, is_weak
from signalling.errors import ErrorCode, Refused
from tests.unit.session.test_tokens import KEYS, NOW, b64, sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BACKEND, OTHER = ClusterKeys.generate(), ClusterKeys.generate()


def entry(keys: ClusterKeys, kid: str, **more: Any) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(keys.public_keys[0]), "kid": kid, **more}


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "alps",
        "aud": "starling/user",
        "sub": "ann@shop",
        "exp": NOW + 60,
        "iat": NOW,
        "jti": "1",
        **changes,
    }


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": entries}))
    return path


def tokens_of(path: Path) -> Tokens:
    return Tokens(KEYS, cluster="alps", clock=lambda: NOW, api_keys=ApiKeys(path))


def code(verify: Callable[[str], object], token: str) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        verify(token)
    return refused.value.code


@pytest.mark.parametrize("algorithm", ["Ed25519", "EdDSA"])
@pytest.mark.parametrize("header", [{"kid": "shop"}, {}])
@pytest.mark.parametrize("issuer", ["alps", "shop.example"])
def test_a_backend_signs_for_users(tmp_path: Path, algorithm: str, header: dict[str, str], issuer: str) -> None:
    tokens = tokens_of(write(tmp_path / "keys.json", entry(BACKEND, "shop", issuer="shop.example")))
    payload = claims(iss=issuer, grants={"publish": False, "rooms": "shop-*"}, login="ann", gen=9)
    user = tokens.verify_user(sign({"alg": algorithm, "typ": "JWT", **header}, payload, BACKEND))
    assert (user.user, user.grants) == ("ann@shop", Grants(publish=False, rooms="shop-*"))
    assert user.account is None


def test_a_backend_signs_for_users_alone(tmp_path: Path) -> None:
    tokens = tokens_of(write(tmp_path / "keys.json", entry(BACKEND, "shop")))
    header = {"alg": "Ed25519", "typ": "JWT", "kid": "shop"}
    session = claims(aud="starling/session", name="Ann", device="device-01", session="0" * 32)
    assert code(tokens.verify_session, sign(header, session, BACKEND)) is ErrorCode.TOKEN_FOREIGN
    assert code(tokens.verify_user, sign(header, session, BACKEND)) is ErrorCode.TOKEN_INVALID
    assert code(tokens.verify_user, sign(header, claims(iss="shop"), BACKEND)) is ErrorCode.TOKEN_FOREIGN
    assert code(tokens.verify_user, sign(header, claims(), OTHER)) is ErrorCode.TOKEN_INVALID


def test_an_issuer_is_believed_of_its_own_key_alone(tmp_path: Path) -> None:
    tokens = tokens_of(
        write(tmp_path / "k.json", entry(BACKEND, "shop", issuer="shop"), entry(OTHER, "bank", issuer="bank"))
    )
    header = {"alg": "EdDSA", "kid": "shop"}
    assert tokens.verify_user(sign(header, claims(iss="shop"), BACKEND)).user == "ann@shop"
    assert code(tokens.verify_user, sign(header, claims(iss="bank"), BACKEND)) is ErrorCode.TOKEN_FOREIGN
    cluster = {"alg": "EdDSA", "kid": next(iter(KEYS.verifying))}
    assert code(tokens.verify_user, sign(cluster, claims(iss="shop"))) is ErrorCode.TOKEN_FOREIGN
    assert code(tokens.verify_user, sign({"alg": "EdDSA"}, claims(), BACKEND)) is ErrorCode.TOKEN_FOREIGN


def test_a_reload_takes_new_keys_and_keeps_the_old_ones_on_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.json", entry(BACKEND, "shop"))
    keys = ApiKeys(path)
    write(path, entry(OTHER, "bank"))
    keys.reload()
    assert set(keys.by_id) == {"bank"}
    path.write_text("{")
    with pytest.raises(SessionSetupError):
        keys.reload()
    assert set(keys.by_id) == {"bank"}
    assert not ApiKeys().by_id


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"d": "AAAA"}, "is a private one"),
        ({"kty": "EC"}, "not for Ed25519"),
        ({"crv": "Ed448"}, "not for Ed25519"),
        ({"alg": "HS256"}, "not for Ed25519"),
        ({"use": "enc"}, "not for signatures"),
        ({"kid": ""}, "`kid` has 1 to"),
        ({"kid": None}, "no JWK set"),
        ({"issuer": ""}, "`issuer` has 1 to"),
        ({"x": "AAAA"}, "no public key of 32 bytes"),
        ({"x": b64(bytes(32))}, "anybody can sign"),
        ({"x": b64(b"\x01" + bytes(31))}, "anybody can sign"),
    ],
)
def test_a_wrong_file_is_refused_with_a_clear_sentence(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = write(tmp_path / "keys.json", {**entry(BACKEND, "shop"), **change})
    with pytest.raises(SessionSetupError, match=says) as error:
        ApiKeys(path)
    assert error.value.code == "api_keys_invalid"
    assert str(path) in error.value.message


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b"\xff", b'{"keys": 3}', b" " * 70_000])
def test_what_is_no_file_of_keys(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SessionSetupError):
        ApiKeys(path)


def test_a_key_stands_once(tmp_path: Path) -> None:
    for second in (entry(OTHER, "shop"), entry(BACKEND, "bank")):
        with pytest.raises(SessionSetupError, match="twice"):
            ApiKeys(write(tmp_path / "keys.json", entry(BACKEND, "shop"), second))


def test_weak_points_are_those_of_small_order() -> None:
    d = -121665 * pow(121666, -1, FIELD) % FIELD

    def add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
        k = d * p[0] * q[0] * p[1] * q[1]
        return (
            (p[0] * q[1] + p[1] * q[0]) * pow(1 + k, -1, FIELD) % FIELD,
            (p[1] * q[1] + p[0] * q[0]) * pow(1 - k, -1, FIELD) % FIELD,
        )

    def root(square: int) -> int | None:
        x = pow(square, (FIELD + 3) // 8, FIELD)
        if x * x % FIELD != square:
            x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
        return x if x * x % FIELD == square else None

    order = 2**252 + 27742317777372353535851937790883648493
    small: set[int] = set()
    for y in range(2, 40):
        x = root((y * y - 1) * pow(d * y * y + 1, -1, FIELD) % FIELD)
        if x is None:
            continue
        point, total, times = (x, y), (0, 1), order
        while times:
            total = add(total, point) if times & 1 else total
            point, times = add(point, point), times >> 1
        small.add(total[1])
    assert len(small) == 5
    assert all(is_weak((y | sign << 255).to_bytes(32, "little")) for y in small for sign in (0, 1))
    assert is_weak((FIELD + 1).to_bytes(32, "little"))
    assert not is_weak(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
