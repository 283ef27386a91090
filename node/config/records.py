"""Every setting of a node: its name, type, range and default.

Units are in the names. Empty text and empty lists mean "not set"; what is then used instead is
said at the field and filled in by :mod:`node.config.derived`. ``node.example.toml`` explains each
key to operators and gives the reason for its default.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from signalling.ids import NODE_ID_PATTERN

Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
AnyPort: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.05, le=86_400.0)]
"""A deadline or lifetime; below 50 ms every loaded machine would trip over it."""

TAG: Final = "a-z, 0-9 and inner '.' and '-', 32 at most"
"""The form of some words, as refusals say it."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class NodeConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[node]``: who this node is.

    Attributes:
        id: Stable name, unique in the cluster. Empty: the host name, made fit.
        region: Free name of the place that this node serves.
        latitude: Degrees north; given together with ``longitude`` or not at all.
        longitude: Degrees east.
        residency: Whose rules its data is under, such as ``eu``: rooms that must stay there find it by this.
        cluster: Name of the cluster: in tags, signatures, token issuer and Redis keys.
        public_url: Where clients reach this node. Empty: made of ``http.address`` and port.
        data_dir: Folder that outlives the process. Empty: ``$XDG_STATE_HOME/starling/<id>``.
        drain_deadline_s: From the first stop signal until people who are still here lose their seats.
        stop_deadline_s: From then on, until everything still running is dropped.
    """

    id: Annotated[str, Meta(pattern=rf"^$|{NODE_ID_PATTERN}", description="a-z, 0-9 and inner '-', 32 at most")] = ""
    region: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9])?$",
            description="letters, digits and inner '.', '_' and '-', 32 at most",
        ),
    ] = "local"
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    residency: Annotated[str, Meta(pattern=r"^([a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?)?$", description=TAG)] = ""
    cluster: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?$", description=TAG)] = "starling"
    public_url: str = ""
    data_dir: str = ""
    drain_deadline_s: Seconds = 30.0
    stop_deadline_s: Seconds = 10.0


class HttpConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[http]``: REST, WebSocket and page.

    Attributes:
        address: IP address to listen on.
        port: TCP port to listen on; 0 takes any free one.
        tls_cert: PEM file with the certificate chain; read again on SIGHUP.
        tls_key: PEM file with its private key.
        trusted_proxies: Networks whose ``X-Forwarded-For`` and ``Forwarded`` are believed.
        allowed_origins: Origins allowed beside the own one and those of the members.
        max_connections: TCP connections at a time; one more is closed at once.
        max_sessions: WebSockets with a session at a time; one more is refused with ``node_full``.
        max_body_bytes: Longest request body.
        request_deadline_s: For one request to be answered, REST or WebSocket.
        read_deadline_s: For a TLS handshake, and for a request's whole body.
        send_deadline_s: For the peer to take what is being sent.
        sessions_per_minute: Sessions that one client address may open, on average.
        sessions_burst: How many of them at once.
        logins_per_minute: Requests under ``/v1/accounts`` that one client address may make, on average.
        logins_burst: How many of them at once.
        changes_per_minute: Requests under ``/v1/rooms`` but reading ones that one client address may make, on average.
        changes_burst: How many of them at once.
        placements_per_minute: Questions for nodes that one client address may ask, on average.
        placements_burst: How many of them at once.
    """

    address: str = "127.0.0.1"
    port: AnyPort = 8080
    tls_cert: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_connections: Count = 4096
    max_sessions: Count = 2048
    max_body_bytes: Annotated[int, Meta(ge=1024, le=16 * 1024 * 1024)] = 65_536
    request_deadline_s: Seconds = 10.0
    read_deadline_s: Seconds = 10.0
    send_deadline_s: Annotated[float, Meta(ge=0.05, le=2.5)] = 2.0
    sessions_per_minute: Count = 60
    sessions_burst: Count = 20
    logins_per_minute: Count = 12
    logins_burst: Count = 12
    changes_per_minute: Count = 300
    changes_burst: Count = 100
    placements_per_minute: Count = 600
    placements_burst: Count = 200


class MediaConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[media]``: where the engine takes media packets.

    Attributes:
        address: IP address to bind.
        port: UDP port of the first worker, the others take those that follow; 0 takes any free ones.
        advertised: IP addresses told to clients and nodes. Empty: the bound one.
        workers: Threads that forward, 0 for one per core but one.
        stun_servers: ``host:port`` of servers that say under which address the media ports are seen.
        tcp: Whether media is taken over TCP too.
    """

    address: str = "127.0.0.1"
    port: AnyPort = 0
    advertised: tuple[str, ...] = ()
    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    stun_servers: tuple[str, ...] = ()
    tcp: bool = False


class MeshConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[mesh]``: the other nodes. A gossip key, or an external agent, turns the mesh on; else the node is alone.

    Attributes:
        gossip_key_file: File with the gossip key in base64, the same on every node.
        address: IP address that gossip listens on.
        port: TCP and UDP port of gossip.
        advertise: ``host:port`` under which others reach the gossip. Empty: the bound one.
        seeds: ``host:port`` of nodes to join.
        warm_links: Peers that are linked as soon as they appear, the first ones by id; the same on every node.
        max_hops: Links that a track may take from its node to this one.
        transit_price_ms: What media that this node passes on for others costs, as milliseconds of its way.
        revoked_keys_file: File with node keys that are refused, one a line. Empty: none.
        rpc: ``host:port`` of the RPC of an external serf agent, used instead of an own one. Empty: an own one.
        rpc_token_file: File with that agent's ``rpc_auth``.
        serf: The serf program: a path, or a name to look up in ``PATH``.
        start_deadline_s: For a new serf agent to answer.
        call_deadline_s: For one quick call to the agent.
        leave_deadline_s: For leaving the cluster in good order when the node stops.
    """

    gossip_key_file: str = ""
    address: str = "127.0.0.1"
    port: Port = 7946
    advertise: str = ""
    seeds: tuple[str, ...] = ()
    warm_links: Annotated[int, Meta(ge=0, le=64)] = 8
    max_hops: Annotated[int, Meta(ge=1, le=3)] = 3
    transit_price_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0
    revoked_keys_file: str = ""
    rpc: str = ""
    rpc_token_file: str = ""
    serf: Annotated[str, Meta(min_length=1)] = "serf"
    start_deadline_s: Seconds = 10.0
    call_deadline_s: Seconds = 5.0
    leave_deadline_s: Seconds = 5.0

    @property
    def is_on(self) -> bool:
        """Whether this node looks for others."""
        return bool(self.gossip_key_file or self.rpc)


class PlacementConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[placement]``: which node a client is sent to.

    Attributes:
        geoip_database: File that says where IP addresses are (MaxMind DB format, with positions). Empty: none.
    """

    geoip_database: str = ""


class StoreConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[store]``: the index of seats, and what outlives a process.

    Attributes:
        kind: ``memory`` for a node alone, its durable things in a SQLite file in ``node.data_dir``; ``redis``
            for several.
        url: Where Redis is.
        deadline_s: For one change to be answered; later, its outcome counts as unknown.
    """

    kind: Literal["memory", "redis"] = "memory"
    url: str = "redis://127.0.0.1:6379/0"
    deadline_s: Seconds = 0.4


class TokensConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tokens]``: who may come in.

    Attributes:
        cluster_keys_file: JWK set with one or two private Ed25519 keys, the same on every node.
            Empty: ``<data_dir>/cluster-keys.json``, made at the first start of a node alone.
        api_keys_file: JWK set with the public Ed25519 keys of your own backends, which may sign for users. Empty: none.
        guests: Whether people without a user token may open a session.
        session_lifetime_s: How long a session token is good for; a fresh one comes at half of it.
        session_max_age_s: How long fresh ones come, from the first on.
        room_lifetime_s: How long a room token is good for.
    """

    cluster_keys_file: str = ""
    api_keys_file: str = ""
    guests: bool = True
    session_lifetime_s: Annotated[float, Meta(ge=60, le=86_400)] = 3600.0
    session_max_age_s: Annotated[float, Meta(ge=3600, le=31_536_000)] = 2_592_000.0
    room_lifetime_s: Annotated[float, Meta(ge=5, le=3600)] = 60.0


class AccountsConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[accounts]``: people who register and log in at the mesh itself.

    Attributes:
        enabled: Whether there are such accounts: off, because they keep passwords and names on this machine.
        registration: Whether people may make their own; else the operator does, by ``starling account create``.
    """

    enabled: bool = False
    registration: bool = True


class RoomsConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[rooms]``: what a room is when its creator says nothing.

    Attributes:
        on_join: What a second device of the same user does: it replaces the first, is refused, or both stay.
        max_participants: In one room.
        max_rooms: In the mesh; one more is refused with ``rooms_full``.
        max_per_owner: Of one user; one more is refused with ``too_many_rooms``.
        forget_after_h: How long after the last visit a room that a join made is forgotten; 0 is never.
        create_on_join: Whether joining a room that nobody made makes it.
        grace_s: How long a dropped socket keeps its seat; at most the lease of 8 s.
        chat_history: Chat messages of a room that are kept, the newest; 0 keeps none.
        loudest: Speakers that are forwarded, the loudest; 0 is all.
        max_height: Lines of the largest picture that is forwarded; 0 is any.
        max_bitrate_bps: What one subscriber is sent in all; 0 is whatever fits.
        codec_policy: Where somebody cannot play a track: its publisher is asked for codecs that all
            can play (``restrict``), or for a second encoding for those who cannot play the first
            (``second``), or they are only told why they do not see it (``tell``).
        placement: Whether each is on their near node and the nodes relay (``relay``), all are led to one
            node (``gather``), or whichever is better for everyone (``auto``).
    """

    on_join: Literal["replace", "reject", "multi"] = "replace"
    max_participants: Annotated[int, Meta(ge=1, le=1000)] = 100
    max_rooms: Count = 10_000
    max_per_owner: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    forget_after_h: Annotated[float, Meta(ge=0, le=87_600)] = 168.0
    create_on_join: bool = True
    grace_s: Annotated[float, Meta(ge=0, le=8)] = 6.0
    chat_history: Annotated[int, Meta(ge=0, le=10_000)] = 200
    loudest: Annotated[int, Meta(ge=0, le=1000)] = 0
    max_height: Annotated[int, Meta(ge=0, le=16_384)] = 0
    max_bitrate_bps: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    codec_policy: Literal["restrict", "second", "tell"] = "restrict"
    placement: Literal["relay", "gather", "auto"] = "relay"


class LogConfig(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[log]``: what is said on stderr.

    Attributes:
        level: The least important kind of line that is written.
        format: ``auto`` is ``console`` on a terminal and ``json`` elsewhere.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Config(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a node."""

    node: NodeConfig = NodeConfig()
    http: HttpConfig = HttpConfig()
    media: MediaConfig = MediaConfig()
    mesh: MeshConfig = MeshConfig()
    placement: PlacementConfig = PlacementConfig()
    store: StoreConfig = StoreConfig()
    tokens: TokensConfig = TokensConfig()
    accounts: AccountsConfig = AccountsConfig()
    rooms: RoomsConfig = RoomsConfig()
    log: LogConfig = LogConfig()
