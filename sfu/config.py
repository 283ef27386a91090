"""What an engine is started with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig:
    """Settings of the local engine.

    Attributes:
        media_address: Address to bind the media sockets to.
        media_port: UDP port of the first worker, the others take those that follow; 0 takes free ones, which are
            then kept over restarts.
        advertised: Addresses to offer instead of the bound one (1:1 NAT); none offers the bound one.
        workers: Threads that forward; 0 for one per core but one.
        stun_servers: ``host:port`` of servers to ask for the public address of the media sockets.
        tcp: Whether to take media over TCP too, for clients whose network lets no UDP through.
        command_deadline_s: Seconds from a command to its reply, and from start to hello. An engine
            answers within milliseconds; the rest is for a machine under load.
        program: The engine's command line without its control socket; None finds the installed one.
    """

    media_address: str = "127.0.0.1"
    media_port: int = 0
    advertised: tuple[str, ...] = ()
    workers: int = 0
    stun_servers: tuple[str, ...] = ()
    tcp: bool = False
    command_deadline_s: float = 5.0
    program: tuple[str, ...] | None = None
