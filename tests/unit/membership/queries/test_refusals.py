"""Words that a node is refused count only as the cluster signed them, for this question and from this sender."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from membership.config import MembershipConfig
from membership.members.snapshot import ClusterView
from membership.members.view import MemberView, NodeRefused
from membership.queries import refusals
from membership.queries.refusals import Refusals
from membership.rpc.records import QueryEvent
from signalling.cbor import encode
from signalling.ids import NodeId
from tests.unit.membership.members.test_view import a_view, read, up
from tests.unit.membership.samples import a_member

OURS, THEIRS = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
ASKED = refusals._Asked(version=1, nonce=bytes(16), name="own-1")


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Refusals:
    config = MembershipConfig(
        cluster="test",
        node_id=NodeId("own"),
        region="here",
        data_dir=tmp_path_factory.mktemp("own"),
        cluster_keys=(OURS.public_key().public_bytes_raw(),),
        certify=OURS.sign,
    )
    return Refusals(
        config, view=lambda: ClusterView(own_id=NodeId("own")), endpoint=lambda: None, tell=lambda _names: None
    )


def told(key: Ed25519PrivateKey, *, by: str = "ada-1", asked: refusals._Asked = ASKED) -> bytes:
    return encode(refusals._Refused(version=1, signature=key.sign(refusals._statement(asked, by))))


def test_only_the_clusters_word_for_this_question_and_sender_counts(asker: Refusals) -> None:
    other = refusals._Asked(version=1, nonce=bytes([1]) * 16, name="own-1")
    assert asker._holds(ASKED, "ada-1", told(OURS))
    assert not asker._holds(ASKED, "ada-1", told(THEIRS))
    assert not asker._holds(ASKED, "bob-1", told(OURS)), "another's word said again"
    assert not asker._holds(ASKED, "ada-1", told(OURS, asked=other)), "the answer to an older question"


@given(st.binary(max_size=300))
def test_garbage_is_neither_a_question_nor_an_answer(asker: Refusals, garbage: bytes) -> None:
    assert not asker._holds(ASKED, "ada-1", garbage)
    assert not asker.is_for_us(QueryEvent(id=1, name="v", payload=garbage))


def test_most_others_have_to_say_it() -> None:
    view: MemberView = a_view()
    up(view, a_member("own"), a_member("ada"), a_member("bob"), a_member("eve"))

    def code(*by: str) -> str:
        view.handle(NodeRefused(by=frozenset(by)), 0)
        return "" if view.view.own_refusal is None else view.view.own_refusal.code

    assert code("ada-1") == ""
    assert code("ada-1", "bob-1") == "key_revoked"
    assert code("ada-1", "mal-1") == "", "who is no node has no say"
    assert code() == ""
    assert code("ada-1", "bob-1") == "key_revoked"
    read(view, a_member("own"), a_member("eve"))
    assert view.view.own_refusal is None
