"""Layer 1: see what the machine lacks and bring it, by the best of the routes it allows."""

import shutil
from collections.abc import Sequence

from . import apt
from .errors import SetupError
from .install import QUIET, UPDATE_DEADLINE_S, install
from .launcher import link_libraries, write_ca_bundle, write_launchers
from .needs import Need, needs
from .places import Places
from .step import Step
from .unpack import unpack


def refresh_launchers(places: Places) -> None:
    """Write the launchers of an earlier run again, because the project may have moved since."""
    if places.tree.is_dir():
        link_libraries(places.tree, places.libraries)
        programs = {name: inside for need in needs(places.manifest) for name, inside in need.programs.items()}
        present = {launcher.name for launcher in places.launchers.iterdir()} if places.launchers.is_dir() else set()
        write_launchers(places.tree, places.launchers, {name: programs[name] for name in present & programs.keys()})


def bring_programs(places: Places) -> None:
    """Bring what is missing; do nothing, and not even ask apt, when nothing is.

    Raises:
        SetupError: Something cannot be had here; the message names the next step for each such thing.
    """
    missing = [need for need in needs(places.manifest) if not need.present() and not _is_unpacked(need, places)]
    if not missing:
        return
    if not apt.available():
        raise SetupError(_by_hand(missing))
    with Step("Debian packages for " + ", ".join(need.name for need in missing), places.log("packages")) as step:
        if apt.is_root():
            _as_root(step, missing, places)
        else:
            _unpacked(step, missing, places)
    lacking = [need for need in missing if not need.present() and not _is_unpacked(need, places)]
    if lacking:
        raise SetupError(_by_hand(lacking))


def _as_root(step: Step, missing: Sequence[Need], places: Places) -> None:
    """Install what only adds to the machine; unpack what would remove something of its owner's."""
    _update(step, ())
    wanted: list[str] = []
    conflicting: list[Need] = []
    for need in missing:
        packages = apt.choose(need)
        if apt.plan(packages).removes:
            conflicting.append(need)
        else:
            wanted += packages
    if wanted:
        install(step, wanted)
    if conflicting:
        _unpacked(step, conflicting, places)


def _unpacked(step: Step, missing: Sequence[Need], places: Places) -> None:
    options = apt.private_lists(places.tools / "apt")
    _update(step, options)
    wanted = [name for need in missing for name in apt.choose(need, options)]
    unpack(step, wanted, places.tree, options)
    shutil.rmtree(places.tools / "apt")
    write_ca_bundle(places.tree)
    link_libraries(places.tree, places.libraries)
    programs = {name: inside for need in missing for name, inside in need.programs.items()}
    write_launchers(places.tree, places.launchers, programs)


def _update(step: Step, options: Sequence[str]) -> None:
    try:
        step.run(["apt-get", *options, "update"], deadline_s=UPDATE_DEADLINE_S, env=QUIET)
    except SetupError:
        # One broken source among several is common and seldom ours: older or other lists may do, and if they do not
        # the next command says so.
        return


def _is_unpacked(need: Need, places: Places) -> bool:
    """Say whether a need that no PATH can show was unpacked by an earlier run."""
    return bool(need.evidence) and any(places.tree.glob(need.evidence))


def _by_hand(lacking: Sequence[Need]) -> str:
    return "\n".join(
        [
            "Neither apt nor an unpacked Debian package could bring everything:",
            *(f"  {need.otherwise}" for need in lacking),
        ]
    )
