"""A node that lives is never forgotten, whatever it is called by."""

from dataclasses import replace

import pytest

from membership.members.forgetting import ForgetRefusedError, names_to_forget
from tests.unit.membership.samples import a_member

LIVING = a_member("ada", 2)
FORMER = replace(a_member("ada", 1), status="failed")
GONE = (replace(a_member("bob", 1), status="left"), replace(a_member("bob", 2), status="failed"))
EVERYBODY = (LIVING, FORMER, *GONE)


def test_a_node_goes_with_all_its_boots() -> None:
    assert names_to_forget("bob", EVERYBODY) == ("bob-1", "bob-2")


def test_one_boot_goes_alone_also_of_a_node_that_lives() -> None:
    assert names_to_forget("ada-1", EVERYBODY) == ("ada-1",)
    assert names_to_forget("bob-2", EVERYBODY) == ("bob-2",)


@pytest.mark.parametrize("wanted", ["ada", "ada-2"])
def test_who_lives_stays(wanted: str) -> None:
    with pytest.raises(ForgetRefusedError) as caught:
        names_to_forget(wanted, EVERYBODY)
    assert caught.value.code == "member_alive"


@pytest.mark.parametrize("status", ["leaving", "none", "alive"])
def test_what_may_still_live_stays(status: str) -> None:
    with pytest.raises(ForgetRefusedError, match="not gone"):
        names_to_forget("eve", (replace(a_member("eve"), status=status),))


def test_a_stranger_that_lives_under_another_name_keeps_nobody() -> None:
    """Anybody with the gossip key can write the node's id into tags."""
    stranger = replace(a_member("mal"), tags={**a_member("mal").tags, "i": "bob"})
    assert names_to_forget("bob", (*EVERYBODY, stranger)) == ("bob-1", "bob-2")


def test_a_stranger_is_said_to_be_one() -> None:
    with pytest.raises(ForgetRefusedError) as caught:
        names_to_forget("zoe", EVERYBODY)
    assert caught.value.code == "member_unknown"
