"""What all runs of an experiment's folder have in common, so that only like is compared with like."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from lab.errors import LabError
from lab.experiment.durations import written
from lab.experiment.records import FORMAT

if TYPE_CHECKING:
    from pathlib import Path

    from lab.topology import Topology

__all__ = [
    "BROWSER",
    "SYNTHETIC",
    "Participants",
    "Settings",
    "VideoRate",
    "folder_name",
    "prepare_folder",
    "settings_of",
]

FILE: Final = "settings.json"

Participants = Literal["synthetic", "browser"]


class VideoRate(msgspec.Struct, frozen=True, kw_only=True):
    """What each person's camera sends: a 720p picture, by the rates that browsers take for it, unless changed."""

    frames_per_s: int = 30
    bits_per_s: int = 1_500_000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Of an experiment.

    Attributes:
        format: Of its runs' records.
        topology: Name of the network.
        network: Fingerprint of all that is in the topology's file; of each scenario by its name.
        scenarios: The same of each scenario, by name; only those of both sides are compared.
        duration_s: How long a run measures.
        participants: Who plays.
        video: What they send.
        program: Fingerprint of what is measured; empty in records of versions that did not say.
    """

    format: int
    topology: str
    network: str
    scenarios: dict[str, str]
    duration_s: int
    participants: Participants
    video: VideoRate
    program: str = ""


SYNTHETIC: Final = VideoRate()

BROWSER: Final = VideoRate(frames_per_s=25)
"""As many as two browsers on two cores show; the rate is what they may send at most."""


def settings_of(
    topology: Topology, duration_s: int, participants: Participants, video: VideoRate, *, program: str = ""
) -> Settings:
    """Say what an experiment is to be like; `program` tells builds of what is measured apart."""
    network = (topology.seed, topology.mtu, topology.hosts, sorted(topology.conditions.items()))
    return Settings(
        format=FORMAT,
        topology=topology.name,
        network=_fingerprint(network),
        scenarios={name: _fingerprint(scenario) for name, scenario in topology.scenarios.items()},
        duration_s=duration_s,
        participants=participants,
        video=video,
        program=program,
    )


def folder_name(settings: Settings) -> str:
    """Name of the folder that an experiment gets unless another is named."""
    name = f"{settings.topology}-{written(settings.duration_s)}"
    return name if settings.participants == "synthetic" else f"{name}-{settings.participants}"


def prepare_folder(folder: Path, settings: Settings, *, fresh: bool) -> None:
    """Make the folder, or see that what is in it is of the same kind; ``fresh`` removes its runs first.

    Raises:
        LabError: ``settings_differ``, nothing was touched.
        OSError: The folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    if fresh:
        path.unlink(missing_ok=True)
        for run in folder.glob("*-*.json"):
            run.unlink()
    elif path.exists():
        try:
            earlier = msgspec.json.decode(path.read_bytes(), type=Settings)
        except msgspec.DecodeError:
            raise _differ(folder, ("its settings, which cannot be read",)) from None
        if different := differences(earlier, settings):
            raise _differ(folder, different)
        settings = msgspec.structs.replace(settings, scenarios=earlier.scenarios | settings.scenarios)
    beside = path.with_suffix(".part")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=2))
    beside.replace(path)


def differences(earlier: Settings, now: Settings) -> tuple[str, ...]:
    """In what two experiments differ, in words, so that their runs must not be mixed."""
    found = [
        f"{name.removesuffix('_s')} ({getattr(earlier, name)}, not {getattr(now, name)})"
        for name in ("format", "topology", "duration_s", "participants", "video")
        if getattr(earlier, name) != getattr(now, name)
    ]
    if earlier.network != now.network:
        found.append("the network")
    if earlier.program != now.program:
        found.append("the program, which was built or changed since")
    both = earlier.scenarios.keys() & now.scenarios.keys()
    found += (f"the scenario {name}" for name in sorted(both) if earlier.scenarios[name] != now.scenarios[name])
    return tuple(found)


def _differ(folder: Path, different: tuple[str, ...]) -> LabError:
    message = (
        f"{folder} holds runs that differ in {', '.join(different)}: name another folder with --out, "
        "or remove them with --fresh."
    )
    return LabError("settings_differ", message)


def _fingerprint(value: object) -> str:
    # msgspec writes no tuples as keys, and the order of what is given here is fixed.
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]
