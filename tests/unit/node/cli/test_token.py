"""``starling token``: what it makes is taken by a node with the keys it made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from session import ApiKeys, ClusterKeys, Grants, Tokens
from signalling.errors import ErrorCode, Refused
from signalling.ids import UserId
from tests.unit.node.cli.test_cli import run

if TYPE_CHECKING:
    from pathlib import Path

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def key(capsys: Capture, tmp_path: Path) -> Path:
    """A service's key, with its public half beside it."""
    code, out, err = run(capsys, "token", "keygen", str(tmp_path / "service.json"), "--issuer", "shop")
    assert code == 0
    assert "api_keys_file" in err
    assert "SIGHUP" in err
    (tmp_path / "public.json").write_text(out)
    return tmp_path / "service.json"


def tokens(key: Path) -> Tokens:
    return Tokens(ClusterKeys.generate(), cluster="alps", api_keys=ApiKeys(key.with_name("public.json")))


def create(capsys: Capture, key: Path, *options: str) -> str:
    code, out, _ = run(capsys, "token", "create", "--key", str(key), "--user", "ann", *options)
    assert code == 0
    return out.strip()


def test_the_private_key_is_closed_and_never_overwritten(capsys: Capture, key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert '"d"' in key.read_text()
    assert '"d"' not in key.with_name("public.json").read_text()
    code, out, err = run(capsys, "token", "keygen", str(key))
    assert (code, out) == (1, "")
    assert "is there already" in err


def test_a_node_takes_what_was_created(capsys: Capture, key: Path) -> None:
    plain = tokens(key).verify_user(create(capsys, key, "--cluster", "alps"))
    assert (plain.user, plain.name, plain.grants) == ("ann", "ann", Grants())
    options = ("--no-publish", "--no-publish-data", "--admin", "--rooms", "team-*", "--name", "Ann", "--lifetime", "2h")
    limited = tokens(key).verify_user(create(capsys, key, "--cluster", "shop", *options))
    assert limited.name == "Ann"
    assert limited.grants == Grants(publish=False, publish_data=False, admin=True, rooms="team-*")
    with pytest.raises(Refused) as refused:
        tokens(key).verify_user(create(capsys, key, "--cluster", "other"))
    assert refused.value.code is ErrorCode.TOKEN_FOREIGN
    later = create(capsys, key, "--cluster", "alps", "--not-before", "2100-01-01T00:00:00Z")
    with pytest.raises(Refused, match="not valid yet"):
        tokens(key).verify_user(later)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--lifetime", "long"), "90s, 30m, 12h or 7d"),
        (("--not-before", "tomorrow"), "2027-01-31T08:00:00Z"),
        (("--not-before", "2027-01-31"), "with Z or an offset"),
        (("--rooms", ""), "pattern of rooms"),
        (("--name", "x" * 65), "64 printable"),
    ],
)
def test_what_no_node_would_take_is_refused(capsys: Capture, key: Path, options: tuple[str, ...], says: str) -> None:
    code, out, err = run(capsys, "token", "create", "--key", str(key), "--user", "ann", *options)
    assert code in (1, 2)
    assert out == ""
    assert says in " ".join(err.replace("│", " ").split())


def test_inspect_says_that_it_believes_nothing_and_checks_when_asked(capsys: Capture, key: Path) -> None:
    text = create(capsys, key)
    code, out, err = run(capsys, "token", "inspect", text)
    assert code == 0
    assert json.loads(out)["claims"]["sub"] == "ann"
    assert json.loads(out)["checked"] is False
    assert "Nothing of this is checked" in err
    assert text not in out + err
    public = str(key.with_name("public.json"))
    code, out, err = run(capsys, "token", "inspect", text, "--jwks", public, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["signed_by"]
    forged = text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB")
    code, _, err = run(capsys, "token", "inspect", forged, "--jwks", public)
    assert code == 1
    assert "do not believe" in err
    code, out, err = run(capsys, "token", "inspect", "nonsense")
    assert (code, out) == (1, "")
    assert "three parts" in err


def test_a_rotation_keeps_every_token_good_until_the_old_key_is_dropped(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "cluster-keys.json"
    ClusterKeys.generate().save(file)

    def node() -> Tokens:
        return Tokens(ClusterKeys.load(file), cluster="alps")

    def issue(by: Tokens) -> str:
        return by.issue_user(user=UserId("us_1"), name="Ann")

    before = node()
    old = issue(before)
    assert run(capsys, "token", "rotate", str(file), "switch")[0] == 1
    assert run(capsys, "token", "rotate", str(file), "add")[0] == 0
    added = node()
    # A node that is not restarted yet believes one that is, and the reverse.
    before.verify_user(issue(added))
    added.verify_user(old)
    code, out, err = run(capsys, "token", "rotate", str(file), "add")
    assert (code, out) == (1, "")
    assert "drop" in err
    code, out, _ = run(capsys, "token", "rotate", str(file), "switch")
    assert code == 0
    assert "24 hours" in out
    switched = node()
    added.verify_user(issue(switched))
    switched.verify_user(old)
    code, out, _ = run(capsys, "token", "rotate", str(file), "drop", "--json")
    assert (code, json.loads(out)["next"]) == (0, None)
    node().verify_user(issue(switched))
    with pytest.raises(Refused) as refused:
        node().verify_user(old)
    assert refused.value.code is ErrorCode.TOKEN_FOREIGN
