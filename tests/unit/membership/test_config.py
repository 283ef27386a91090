"""What the configuration refuses before anything is started."""

from pathlib import Path

import pytest

from membership.config import MembershipConfig
from membership.errors import GossipSetupError
from membership.members.tags import encode_tags
from signalling.ids import NodeId

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


def config(**settings: object) -> MembershipConfig:
    arguments: dict[str, object] = {
        "cluster": "test",
        "node_id": NodeId("ada"),
        "region": "eu",
        "data_dir": Path("unused"),
        **settings,
    }
    return MembershipConfig(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"seeds": ("10.0.0.1:7946",)}, "gossip_key_required"),
        ({"gossip_key": "x"}, "gossip_key_invalid"),
        ({"gossip_key": "AAAA"}, "gossip_key_invalid"),
        ({"gossip_key": "é"}, "gossip_key_invalid"),
        ({"bind_address": "localhost"}, "gossip_address_invalid"),
    ],
)
def test_a_setup_that_cannot_work_has_a_code_and_a_next_step(settings: dict[str, object], code: str) -> None:
    with pytest.raises(GossipSetupError) as caught:
        config(**settings)
    assert caught.value.code == code
    assert len(caught.value.message) > 30


@pytest.mark.parametrize(
    ("settings", "what"),
    [({"cluster": "A b"}, "cluster name"), ({"node_id": "x" * 33}, "node id"), ({"bind_port": 0}, "gossip port")],
)
def test_values_out_of_range(settings: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        config(**settings)


def test_seeds_with_a_key_of_any_size() -> None:
    for size in (KEY, "A" * 32, "A" * 43 + "="):
        assert config(seeds=("10.0.0.1:7946",), gossip_key=size).gossip_key == size


def test_tags_take_over_what_the_config_knows() -> None:
    tags = config(latitude=1.5, longitude=2.5).tags(public_url="http://127.0.0.1:8080", public_key=bytes(32))
    assert (tags.cluster, tags.node_id, tags.region, tags.latitude) == ("test", "ada", "eu", 1.5)
    encode_tags(tags)
