"""A wide-area network on one machine, for tests and for the experiments that Starling makes with itself.

Each host is a network namespace with one TUN device; one program carries every packet between them with the
delay, the jitter, the losses, the rate and the queue of the path that lies between. Real programs run in the
namespaces and notice nothing.

- :mod:`lab.topology`: who is where and what lies between them, from TOML or a preset (``lab/presets/``); pure.
- :mod:`lab.conditions`: how good or bad a path is, and what may be changed about it; pure.
- :mod:`lab.wan`: makes the network for the length of a block, starts programs on its hosts, cuts and heals it.
- :mod:`lab.namespaces`: namespaces and TUN devices, named after the process that made them, so that what a
  killed one has left is known for what it is and removed.
- :mod:`lab.scenarios`: how people are arranged in a topology for an experiment, and what befalls them; pure.
- :mod:`lab.experiment`: what is pure of experiments, and the process that plays a person.
- :mod:`lab.emulator`: starts the program in ``lab/emulator/`` (Rust) and speaks with it.

It needs root and ``/dev/net/tun``, and says so where it lacks them. Nothing leaves the machine: the namespaces
have no other way out than each other.
"""

from lab.conditions import Change, Conditions
from lab.errors import LabError
from lab.topology import Host, Region, Topology, load_preset, load_topology, presets
from lab.wan import Wan, open_wan

__all__ = [
    "Change",
    "Conditions",
    "Host",
    "LabError",
    "Region",
    "Topology",
    "Wan",
    "load_preset",
    "load_topology",
    "open_wan",
    "presets",
]
