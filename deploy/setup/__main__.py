"""The program: `python3 -m deploy.setup`, from the project's root."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import SetupError
from .places import Places
from .programs import bring_programs, refresh_launchers
from .python import install_dependencies, install_starling

# A first run on a slow machine; a second one beside it waits this long for it, then gives up.
TURN_DEADLINE_S = 3600.0
TURN_POLL_S = 0.5


def main() -> int:
    """Run all layers and return the exit code."""
    places = Places(Path(__file__).resolve().parents[2])
    os.environ["PATH"] = f"{places.launchers}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        with _own_turn(places):
            refresh_launchers(places)
            bring_programs(places)
            install_dependencies(places)
            install_starling(places)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: stopped; run it again to go on.", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _own_turn(places: Places) -> Iterator[None]:
    """Wait until no other set-up of this project runs."""
    places.records.mkdir(parents=True, exist_ok=True)
    with (places.records / "turn").open("w") as file:
        ends = time.monotonic() + TURN_DEADLINE_S
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= ends:
                    raise SetupError("Another set-up of this project has not ended; stop it and run again.") from None
                if not told:
                    print("setup  waiting for another set-up of this project", flush=True)
                    told = True
                time.sleep(TURN_POLL_S)
            else:
                break
        yield


if __name__ == "__main__":
    sys.exit(main())
