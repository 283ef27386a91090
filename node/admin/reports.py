"""What the node answers: how it is, its members, its links."""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be."""

    part: str
    code: str
    message: str


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """This node: what keeps it from taking people, and what its operator should look at."""

    node: str
    cluster: str
    region: str
    url: str
    pid: int
    mesh: bool
    ready: bool
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


class MemberReport(msgspec.Struct, frozen=True, kw_only=True):
    """One member of the cluster, as this node sees it.

    ``state`` is ``alive``, ``ineligible``, ``draining``, ``failed``, ``left`` or ``refused``; ``reason`` says why a
    member is refused. ``rtt_ms`` is the best that is known of the round trip from this node: what a link measures, else
    the estimate of network coordinates, else a guess from both positions. ``public_key`` is in base64url.
    """

    node: str
    state: str
    public_key: str = ""
    region: str = ""
    url: str = ""
    address: str = ""
    load: str = ""
    latitude: float | None = None
    longitude: float | None = None
    rtt_ms: float | None = None
    me: bool = False
    reason: str = ""


class LinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """One link to another node; bytes are RTP with its header since the link came up."""

    node: str
    state: str
    rtt_ms: float | None
    jitter_ms: float | None
    loss: float | None
    setup_ms: float | None
    age_s: float
    bytes_in: int
    bytes_out: int
    reason: str


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster."""

    members: tuple[MemberReport, ...]


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The links of this node."""

    links: tuple[LinkReport, ...]
