"""Install Debian packages as root, without starting the services some of them bring."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .apt import LOCK_WAIT
from .step import Step

UPDATE_DEADLINE_S = 300.0
# 300 MB of packages (Chromium and a Rust compiler) over a slow mirror, and their unpacking.
INSTALL_DEADLINE_S = 1800.0

# Asked by Debian's maintainer scripts before they start a service; 101 means "do not".
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\nexit 101\n"
# Units that come with the packages: we want their programs, each node starts its own.
UNITS = ("redis-server.service", "serf.service")
SYSTEMD_RUNS = Path("/run/systemd/system")

QUIET = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_MODE": "l"}


def install(step: Step, packages: Sequence[str]) -> None:
    """Install packages and their dependencies; services among them stay stopped, now and after a reboot.

    Raises:
        SetupError: apt failed; its words are in the step's log.
    """
    with services_stay_stopped():
        step.run(
            ["apt-get", *LOCK_WAIT, "install", "-y", "--no-install-recommends", *packages],
            deadline_s=INSTALL_DEADLINE_S,
            env=QUIET,
        )
    brought = [unit for unit in UNITS if unit.removesuffix(".service") in packages]
    if brought and SYSTEMD_RUNS.is_dir():
        step.run(["systemctl", "disable", *brought], deadline_s=UPDATE_DEADLINE_S)


@contextmanager
def services_stay_stopped(policy: Path = POLICY) -> Iterator[None]:
    """Tell maintainer scripts not to start services, unless the machine has a policy of its own."""
    try:
        with policy.open("x", encoding="ascii") as file:
            file.write(POLICY_TEXT)
        policy.chmod(0o755)
    except FileExistsError:
        yield
        return
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)
