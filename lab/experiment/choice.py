"""What is meant by the words behind ``starling lab run``: scenarios of a topology, or a preset with its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lab.errors import LabError
from lab.topology import load_preset, load_topology, presets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab.topology import Topology

__all__ = ["DEFAULT_PRESET", "choose", "default_scenarios", "load"]

DEFAULT_PRESET: Final = "europe-vietnam"


def load(preset: str | None, file: Path | None) -> Topology:
    """The topology that is named, or the default one.

    Raises:
        LabError: ``topology_invalid``; ``usage_wrong``, both are named.
    """
    if file is None:
        return load_preset(DEFAULT_PRESET if preset is None else preset)
    if preset is not None:
        raise LabError("usage_wrong", "--preset and --topology name two networks: give one of them.")
    try:
        return load_topology(file)
    except OSError as error:
        raise LabError("topology_invalid", f"{file} cannot be read: {error.strerror}.") from error


def choose(names: Sequence[str], preset: str | None, file: Path | None) -> tuple[Topology, tuple[str, ...]]:
    """The topology and the scenarios that are meant.

    Args:
        names: Scenarios; none means those of the topology that run by default. The first may be a preset instead, if
            no topology is named otherwise.
        preset: A preset.
        file: A topology of one's own.

    Raises:
        LabError: ``topology_invalid``, ``scenario_unknown``, ``usage_wrong``.
    """
    if names and preset is None and file is None and names[0] in presets():
        preset, *names = names
    topology = load(preset, file)
    if not topology.scenarios:
        message = f"{topology.name} has no scenarios: add some to its file, as those of `starling lab scenarios` are."
        raise LabError("scenario_unknown", message)
    for name in names:
        if name not in topology.scenarios:
            message = f"{topology.name} has no scenario {name!r}; there are {', '.join(topology.scenarios)}."
            raise LabError("scenario_unknown", message)
    return topology, tuple(dict.fromkeys(names)) or default_scenarios(topology)


def default_scenarios(topology: Topology) -> tuple[str, ...]:
    """Those that run when none is named."""
    return tuple(name for name, scenario in topology.scenarios.items() if scenario.run_by_default)
