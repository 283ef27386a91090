"""The local SFU: a media engine in Rust and its typed Python face.

Packets never touch Python. ``starling-sfu`` (``sfu/engine/``) is a process of its own that owns
the UDP sockets; a node commands it over a socket pair and is told what happens:

    async with open_engine(EngineConfig(media_address="127.0.0.1")) as engine:
        answer = await engine.publish(peer, offer, {"0": track})
        async for event in engine.events: ...

From the outside in: ``engine`` has the methods, ``supervision`` keeps a process running and counts
its epochs, ``channel`` pairs commands with replies on a stream of frames, ``process`` starts and
ends a program that cannot outlive this one, and ``protocol`` is the one schema of what is said,
held to ``vectors.json`` from Python and from Rust.

The same program run as ``starling-sfu participants`` is a crowd of synthetic WebRTC clients, whose
media can be told apart, timed and counted: ``participants`` is their face, used by the demo, load
tests and benchmarks.
"""

from sfu.config import EngineConfig
from sfu.engine import Engine, open_engine
from sfu.errors import EngineError, EngineLostError, EngineRefused, EngineStartError, EngineTimeoutError
from sfu.protocol import (
    EngineEvent,
    LayersWanted,
    LinkMeasured,
    LinkMessage,
    LinkOpened,
    Offered,
    PeerState,
    PreferredTrack,
    Speaker,
    Speakers,
    Statistics,
    TrackRefused,
    TrackStarted,
    WantedTrack,
)
from sfu.statistics_rows import LegStatistics, LineStatistics, PeerStatistics, TrackStatistics, WorkerStatistics
from sfu.supervision import EngineStarted, SupervisionStatistics

__all__ = [
    "Engine",
    "EngineConfig",
    "EngineError",
    "EngineEvent",
    "EngineLostError",
    "EngineRefused",
    "EngineStartError",
    "EngineStarted",
    "EngineTimeoutError",
    "LayersWanted",
    "LegStatistics",
    "LineStatistics",
    "LinkMeasured",
    "LinkMessage",
    "LinkOpened",
    "Offered",
    "PeerState",
    "PeerStatistics",
    "PreferredTrack",
    "Speaker",
    "Speakers",
    "Statistics",
    "SupervisionStatistics",
    "TrackRefused",
    "TrackStarted",
    "TrackStatistics",
    "WantedTrack",
    "WorkerStatistics",
    "open_engine",
]
