"""Make a bare clone ready: `python3 -m deploy.setup`, which `make setup` calls.

Three layers, in this order, each skipped when there is nothing to do:

1. *Programs* (`needs.py`): serf, redis-server, ip, chromium, a C compiler, cmake and a Rust toolchain. What is on
   PATH is used. The rest comes from Debian packages: by apt when root (`install.py`), else fetched and unpacked into
   `.tools/` inside the project (`unpack.py`), with one small launcher per program in `.tools/bin` (`launcher.py`).
2. *Python dependencies* (`python.py`): a virtual environment in `.venv`, filled from the hashed lock.
3. *Starling itself* (`python.py`): an editable install, which builds the engine and the lab's network in release.

A second run starts at once: each of the layers 2 and 3 leaves a stamp (`stamp.py`), a digest of everything that went
into it, and runs again only when that digest changes. Every step shows one line with its seconds and writes what its
commands say to `build/setup/<step>.log`; when it fails, the end of that log is shown (`step.py`).

Only the standard library may be imported here, and only what Python 3.11 has.
"""

import sys

# Before anything else is imported: an older Python would fail there, with a traceback instead of a sentence.
if sys.version_info < (3, 11):  # noqa: UP036 - this is where older ones are turned away
    sys.exit("setup: Python 3.11 or newer is needed. Name one, as in: make PYTHON=python3.11 test")
