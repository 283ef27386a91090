from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_origin

import msgspec
import pytest

from node.config import Config, ConfigError, load_config
from node.config.derived import Machine, node_id_from, public_url, read_machine
from node.config.load import KEY_TYPES
from node.config.sources import dotted
from signalling.ids import is_node_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.config.sources import Key

MACHINE = Machine(host_name="Media-1.example.org", state_dir=Path("/state"))


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Config]:
    def load(
        text: str = "",
        *,
        environment: dict[str, str] | None = None,
        flags: dict[tuple[str, str], object] | None = None,
        extra: tuple[tuple[tuple[str, str], str], ...] = (),
    ) -> Config:
        file = tmp_path / "node.toml"
        file.write_text(text)
        return load_config(file=file, environment=environment or {}, flags=flags or {}, extra=extra, machine=MACHINE)

    return load


def test_nothing_set_is_a_node_alone() -> None:
    config = load_config(environment={}, machine=MACHINE)
    assert config.node.id == "media-1"
    assert config.node.data_dir == "/state/media-1"
    assert config.tokens.cluster_keys_file == "/state/media-1/cluster-keys.json"
    assert not config.mesh.is_on
    assert config.store.kind == "memory"


def test_flag_wins_over_environment_wins_over_file_wins_over_default(load: Callable[..., Config]) -> None:
    file = "[http]\nport = 1\nsessions_burst = 1\nmax_sessions = 1\nmax_connections = 1\n"
    environment = {"STARLING_HTTP__PORT": "2", "STARLING_HTTP__SESSIONS_BURST": "2", "STARLING_HTTP__MAX_SESSIONS": "2"}
    flags: dict[tuple[str, str], object] = {("http", "port"): 3, ("http", "sessions_burst"): 3}
    http = load(file, environment=environment, flags=flags, extra=((("http", "port"), "4"),)).http
    assert (http.port, http.sessions_burst, http.max_sessions, http.max_connections) == (4, 3, 2, 1)
    assert http.sessions_per_minute == 60


def test_the_environment_is_text(load: Callable[..., Config]) -> None:
    config = load(
        environment={
            "STARLING_NODE__LATITUDE": "52.5",
            "STARLING_NODE__LONGITUDE": "-13",
            "STARLING_TOKENS__GUESTS": "false",
            "STARLING_HTTP__TRUSTED_PROXIES": "10.0.0.0/8, ::1,",
            "STARLING_SFU": "/somewhere/else",
        }
    )
    assert (config.node.latitude, config.node.longitude) == (52.5, -13.0)
    assert not config.tokens.guests
    assert config.http.trusted_proxies == ("10.0.0.0/8", "::1")


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "n.toml").write_text("[node]\nid = 'from-file'\n")
    assert load_config(environment={"STARLING_CONFIG": str(tmp_path / "n.toml")}).node.id == "from-file"


MESH = "[mesh]\ngossip_key_file = 'k'\n[tokens]\ncluster_keys_file = 'c'\n[store]\nkind = 'redis'\n"

WRONG = {
    "unknown key": ("[http]\nprot = 1", ["http.prot", "node.toml", "did you mean http.port?"]),
    "nothing like it": ("[http]\nxyzzy = 1", ["http.xyzzy", "[http] has address, port"]),
    "unknown section": ("[htp]\nport = 1", ["htp.port", "did you mean [http]?"]),
    "empty unknown section": ("[htp]", ["htp", "did you mean [http]?"]),
    "key of a section outside of it": ("port = 1", ["port", "did you mean http.port?"]),
    "section that is no table": ("http = 1", ["http", "write [http]"]),
    "key that is a table": ("[http.port]\nx = 1", ["http.port", "has to be a whole number"]),
    "wrong type": (
        "[http]\nport = 'x'",
        ["http.port", "'x'", "has to be a whole number", "number from 0 to 65535, such as http.port = 8080"],
    ),
    "text for a number": ("[http]\nport = '8080'", ["http.port", "has to be a whole number"]),
    "out of range": ("[http]\nport = 70000", ["http.port", "70000", "at most 65535"]),
    "not a number": (
        "[http]\nsend_deadline_s = nan",
        ["http.send_deadline_s", "a number from 0.05 to 2.5, such as"],
    ),
    "no such choice": ("[store]\nkind = 'sqlite'", ["store.kind", "one of memory, redis"]),
    "bad id": ("[node]\nid = 'Ä'", ["node.id"]),
    "half a position": ("[node]\nlatitude = 1", ["node.latitude", "longitude"]),
    "other half": ("[node]\nlongitude = 1", ["node.longitude", "set the other one"]),
    "certificate without key": ("[http]\ntls_cert = 'c.pem'", ["http.tls_cert", "http.tls_key"]),
    "key without certificate": ("[http]\ntls_key = 'c.pem'", ["http.tls_key", "http.tls_cert"]),
    "host name for an address": ("[http]\naddress = 'localhost'", ["http.address", "'localhost'", "IP address"]),
    "bad media address": ("[media]\nadvertised = ['1.2.3']", ["media.advertised", "'1.2.3'"]),
    "workers without ports": (
        "[media]\nport = 65535\nworkers = 2",
        ["media.port", "2 workers take as many ports from 65535 on"],
    ),
    "too many workers": ("[media]\nworkers = 65", ["media.workers", "at most 64"]),
    "STUN server without port": (
        "[media]\nstun_servers = ['a']",
        ["media.stun_servers", "'a'", "stun.example.org:3478"],
    ),
    "speakers below none": ("[rooms]\nloudest = -1", ["rooms.loudest", "at least 0"]),
    "no such codec policy": ("[rooms]\ncodec_policy = 'ask'", ["rooms.codec_policy", "restrict", "second", "tell"]),
    "bad proxy": ("[http]\ntrusted_proxies = ['10.0.0.1/8']", ["http.trusted_proxies"]),
    "bad origin": ("[http]\nallowed_origins = ['example.org']", ["http.allowed_origins", "URL"]),
    "origin with a path": ("[http]\nallowed_origins = ['https://a/b']", ["http.allowed_origins", "after the host"]),
    "bad URL": ("[node]\npublic_url = 'ftp://x'", ["node.public_url"]),
    "URL with a path": ("[node]\npublic_url = 'https://x.example/y'", ["node.public_url", "host and port"]),
    "bad seed": (MESH + "[mesh2]", ["mesh2", "did you mean [mesh]?"]),
    "seed without port": (
        MESH.replace("'k'", "'k'\nseeds = ['1.2.3.4']"),
        ["mesh.seeds", "'1.2.3.4'", "host:port"],
    ),
    "seeds without gossip key": ("[mesh]\nseeds = ['a:1']", ["mesh.seeds", "mesh.gossip_key_file", "keygen"]),
    "external agent elsewhere": (
        "[mesh]\nrpc = '192.0.2.1:7373'\nrpc_token_file = 't'",
        ["mesh.rpc", "loopback", "127.0.0.1:7373"],
    ),
    "external agent without token": ("[mesh]\nrpc = '[::1]:7373'", ["mesh.rpc", "mesh.rpc_token_file"]),
    "external agent without port": ("[mesh]\nrpc = '127.0.0.1'\nrpc_token_file = 't'", ["mesh.rpc", "host:port"]),
    "external agent with a port of its own": (
        "[mesh]\nrpc = '127.0.0.1:7373'\nrpc_token_file = 't'\nport = 1",
        ["mesh.port", "leave out mesh.rpc"],
    ),
    "external agent's token alone": ("[mesh]\nrpc_token_file = 't'", ["mesh.rpc_token_file", "mesh is off"]),
    "mesh without gossip key": ("[mesh]\nport = 1", ["mesh.port", "mesh is off", "mesh.gossip_key_file"]),
    "mesh without cluster keys": (
        "[mesh]\ngossip_key_file = 'k'",
        ["mesh.gossip_key_file", "tokens.cluster_keys_file"],
    ),
    "a node's name": ("[node]\nid = 'A_B'", ["node.id", "a text of a-z, 0-9 and inner '-', 32 at most"]),
    "a tag": ("[node]\nresidency = 'EU'", ["node.residency", "a text of a-z, 0-9 and inner '.' and '-'"]),
    "seeds and memory": (
        "[mesh]\ngossip_key_file = 'k'\nseeds = ['a:1']\n[tokens]\ncluster_keys_file = 'c'",
        ["mesh.seeds", 'store.kind = "redis"'],
    ),
    "mesh and memory": (
        "[mesh]\ngossip_key_file = 'k'\n[tokens]\ncluster_keys_file = 'c'",
        ["mesh.gossip_key_file", "several nodes", 'store.kind = "redis"'],
    ),
    "bad store URL": ("[store]\nurl = 'http://user:secret@x'", ["store.url", "redis://"]),
    "more people than a room holds": ("[rooms]\nmax_participants = 1001", ["rooms.max_participants", "at most 1000"]),
    "a policy that is none": ('[rooms]\non_join = "refuse"', ["rooms.on_join", "refuse"]),
    "grace beyond the lease": ("[rooms]\ngrace_s = 9", ["rooms.grace_s", "at most 8"]),
    "no TOML": ("[http", ["node.toml", "not TOML"]),
    "too long": ("#" * 300_000, ["node.toml", "bytes"]),
}


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line(load: Callable[..., Config], text: str, says: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    for part in says:
        assert part in caught.value.message
    assert "\n" not in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("key", [key for key, hint in KEY_TYPES.items() if get_origin(hint) is not Literal], ids=dotted)
def test_what_a_key_is_said_to_take_it_takes(load: Callable[..., Config], key: Key) -> None:
    with pytest.raises(ConfigError, match="it takes") as caught:
        load(f"[{key[0]}]\n{key[1]} = 2027-01-31")
    _, such_as, line = caught.value.message.partition(f"such as {dotted(key)} = ")
    if such_as:
        value = tomllib.loads(f"value = {line}")["value"]
        msgspec.convert(value, KEY_TYPES[key])
    else:
        assert "node.example.toml" in caught.value.message


def test_an_error_names_the_variable_or_the_flag(load: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="STARLING_HTTP__PORT"):
        load("[http]\nport = 1", environment={"STARLING_HTTP__PORT": "x"})
    with pytest.raises(ConfigError, match="--http-port"):
        load("[http]\nport = 1", flags={("http", "port"): -1})
    with pytest.raises(ConfigError, match=r"STARLING_HTTP__PROT.*did you mean http\.port"):
        load(environment={"STARLING_HTTP__PROT": "1"})
    with pytest.raises(ConfigError, match="the flag --set"):
        load(extra=((("http", "port"), "many"),))


def test_a_file_that_is_missing_is_said_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"no such file.*node\.example\.toml"):
        load_config(file=Path("/nowhere/node.toml"), environment={})


def test_a_file_in_another_encoding_is_said_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"byte 1\): save it as UTF-8"):
        load_config(file=file, environment={})


@pytest.mark.parametrize(
    ("host", "node_id"),
    [
        ("Media-1.example.org", "media-1"),
        ("_x_", "x"),
        ("ÄÖ", "node"),
        ("a" * 40, "a" * 32),
        ("a" * 31 + "-b", "a" * 31),
    ],
)
def test_a_host_name_becomes_a_node_id(host: str, node_id: str) -> None:
    assert node_id_from(host) == node_id
    assert is_node_id(node_id)


def test_state_goes_where_the_system_says() -> None:
    systemd = {"STATE_DIRECTORY": "/var/lib/starling:/x", "XDG_STATE_HOME": "/xdg"}
    assert read_machine(systemd).state_dir == Path("/var/lib/starling")
    assert read_machine({"XDG_STATE_HOME": "/xdg"}).state_dir == Path("/xdg/starling")
    assert read_machine({"XDG_STATE_HOME": "xdg", "HOME": "/h"}).state_dir == Path("/h/.local/state/starling")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:81"),
        ("[http]\naddress = '0.0.0.0'", "http://localhost:81"),
        ("[http]\naddress = '::1'\ntls_cert = 'c'\ntls_key = 'k'", "https://[::1]:81"),
        ("[node]\npublic_url = 'https://eu.example.org/'", "https://eu.example.org"),
    ],
)
def test_the_public_url(load: Callable[..., Config], text: str, url: str) -> None:
    assert public_url(load(text), 81) == url
