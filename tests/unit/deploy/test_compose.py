"""Three regions by compose: the settings are a node's, and the three differ where they must."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from node.config import Config, load_config
from node.config.sources import from_environment

REGIONS = ("frankfurt", "virginia", "singapore")


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    document = yaml.safe_load((root / "deploy/compose.yaml").read_text())
    assert isinstance(document, dict)
    return document


@pytest.fixture(scope="module")
def configs(compose: dict[str, Any]) -> list[Config]:
    """What each node makes of its environment, by the node's own rules."""
    return [load_config(environment=compose["services"][name]["environment"]) for name in REGIONS]


def address(service: dict[str, Any]) -> str:
    given = service["networks"]["mesh"]["ipv4_address"]
    assert isinstance(given, str)
    return given


def test_three_nodes_and_a_redis(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"redis", *REGIONS}


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    for name in REGIONS:
        environment = compose["services"][name]["environment"]
        assert len(from_environment(environment)) == len(environment)
        assert all(isinstance(value, str) for value in environment.values())


def test_nodes_are_told_apart(compose: dict[str, Any], configs: list[Config]) -> None:
    for told in (
        [config.node.id for config in configs],
        [config.node.region for config in configs],
        [config.node.public_url for config in configs],
        [(config.node.latitude, config.node.longitude) for config in configs],
        [config.mesh.address for config in configs],
        [address(compose["services"][name]) for name in REGIONS],
        [compose["services"][name]["volumes"][0] for name in REGIONS],
    ):
        assert len(set(told)) == len(REGIONS), told


def test_nodes_are_one_cluster(configs: list[Config]) -> None:
    for shared in (
        {config.node.cluster for config in configs},
        {config.mesh.seeds for config in configs},
        {config.mesh.gossip_key_file for config in configs},
        {config.tokens.cluster_keys_file for config in configs},
        {config.store for config in configs},
    ):
        assert len(shared) == 1, shared


def test_addresses_agree(compose: dict[str, Any], configs: list[Config]) -> None:
    services = compose["services"]
    for name, config in zip(REGIONS, configs, strict=True):
        assert config.mesh.address == config.media.address == address(services[name])
        assert f"{config.mesh.address}:{config.mesh.port}" in config.mesh.seeds
        assert address(services["redis"]) in config.store.url
        (published,) = services[name]["ports"]
        host, outside, inside = published.split(":")
        assert config.node.public_url == f"http://{host}:{outside}"
        assert inside == str(config.http.port)


def test_everything_is_published_on_loopback_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_redis_writes_every_change_down(compose: dict[str, Any]) -> None:
    command = compose["services"]["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_containers_are_given_longer_to_stop_than_nodes_take(compose: dict[str, Any], configs: list[Config]) -> None:
    for name, config in zip(REGIONS, configs, strict=True):
        grace_s = int(compose["services"][name]["stop_grace_period"].removesuffix("s"))
        assert grace_s > config.node.drain_deadline_s + config.node.stop_deadline_s


def test_secrets_are_files_that_git_ignores(compose: dict[str, Any], root: Path, configs: list[Config]) -> None:
    given = {f"/run/secrets/{name}" for name in compose["secrets"]}
    assert {configs[0].mesh.gossip_key_file, configs[0].tokens.cluster_keys_file} == given
    assert {Path(secret["file"]).parts[0] for secret in compose["secrets"].values()} == {"secrets"}
    assert "/deploy/secrets/" in (root / ".gitignore").read_text().splitlines()


def test_the_image_is_built_from_the_containerfile(compose: dict[str, Any], root: Path) -> None:
    for name in REGIONS:
        build = compose["services"][name]["build"]
        context = (root / "deploy" / build["context"]).resolve()
        assert (context / build["dockerfile"]) == root / "deploy/Containerfile"
