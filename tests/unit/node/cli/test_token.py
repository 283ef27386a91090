"""``starling token``: what it makes is taken by a node with the keys it made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from session import ApiKeys, ClusterKeys, Grants, RotationStage, Tokens
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
        (("--lifetime", "99999999999999999999d"), "between 1s and 3660d"),
    ],
)
def test_what_no_node_would_take_is_refused(capsys: Capture, key: Path, options: tuple[str, ...], says: str) -> None:
    code, out, err = run(capsys, "token", "create", "--key", str(key), "--user", "ann", *options)
    assert code in (1, 2)
    assert out == ""
    assert says in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize("options", [("--user", ""), ("--user", "ann", "--lifetime", "0s")])
def test_an_option_without_sense_is_wrong_usage(capsys: Capture, key: Path, options: tuple[str, ...]) -> None:
    code, out, _ = run(capsys, "token", "create", "--key", str(key), *options)
    assert (code, out) == (2, "")


def test_a_services_key_is_not_rotated(capsys: Capture, key: Path) -> None:
    before = key.read_text()
    code, _, err = run(capsys, "token", "rotate", str(key), "add")
    assert code == 1
    assert "a service's own key" in err
    assert key.read_text() == before


def test_a_missing_service_key_names_the_verb_that_makes_one(capsys: Capture, tmp_path: Path) -> None:
    _, _, err = run(capsys, "token", "create", "--key", str(tmp_path / "nope"), "--user", "ann")
    assert "`starling token keygen`" in " ".join(err.split())


def test_keys_that_no_node_answers_for_are_unreachable(capsys: Capture, key: Path) -> None:
    text = create(capsys, key)
    _, out, _ = run(capsys, "token", "inspect", text, "--jwks", "http://127.0.0.1:1/jwks.json", "--json")
    assert json.loads(out)["error"]["code"] == "keys_unreachable"


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
    assert "switch" in err
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


def rotate(capsys: Capture, file: Path, *steps: str) -> tuple[int, str]:
    code, _, err = run(capsys, "token", "rotate", str(file), *steps)
    return code, err


def test_a_step_out_of_order_changes_nothing_and_says_the_next_one(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"

    def refused(step: str, following: str) -> None:
        before = file.read_bytes()
        code, err = rotate(capsys, file, step)
        assert code == 1
        assert f"starling token rotate {file} {following}" in err
        assert file.read_bytes() == before

    ClusterKeys.generate().save(file)
    refused("switch", "add")
    refused("drop", "add")
    rotate(capsys, file, "add")
    refused("add", "switch")
    refused("drop", "switch")
    rotate(capsys, file, "switch")
    refused("add", "drop")
    refused("switch", "drop")
    assert rotate(capsys, file, "drop")[0] == 0


def test_force_gives_up_a_new_key_or_goes_back_to_the_old_one(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = ClusterKeys.generate()
    first.save(file)
    assert rotate(capsys, file, "drop", "--force")[0] == 1  # the last key is never dropped
    rotate(capsys, file, "add")
    assert rotate(capsys, file, "drop", "--force")[0] == 0
    assert ClusterKeys.load(file).public_keys == first.public_keys
    rotate(capsys, file, "add")
    rotate(capsys, file, "switch")
    assert rotate(capsys, file, "switch", "--force")[0] == 0
    assert ClusterKeys.load(file).public_keys[0] == first.public_keys[0]
    assert ClusterKeys.load(file).stage is RotationStage.SWITCHED  # the other key has signed


def test_two_keys_that_do_not_say_their_order_take_a_word_from_the_operator(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ClusterKeys.generate().with_next().save(file)
    file.write_bytes(file.read_bytes().replace(b"starling_stage", b"other_member"))
    assert ClusterKeys.load(file).stage is RotationStage.UNTOLD
    for step in ("add", "switch", "drop"):
        code, err = rotate(capsys, file, step)
        assert code == 1
        assert "--force" in err
    assert rotate(capsys, file, "switch", "--force")[0] == 0
    assert rotate(capsys, file, "drop")[0] == 0
