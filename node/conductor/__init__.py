"""The conductor: where facts of one domain become statements to another.

Sessions know who sits where, rooms know who is here and what they publish, the relay knows the
other nodes, the engine knows packets; none of them knows another. The conductor carries:

- a client's request to the session service, the rooms and the engine (conductor.py);
- what changed in a room to its clients, to the engine as subscriptions, and to the relay as what
  to tell and what to want (stage.py);
- what the relay, the engine and the session service report, back into the rooms (pumps.py);
- the tracks of who came back, until they are published again or their time is over (resumption.py);
- peer connections of clients, as whole sets that survive an engine's death (peers.py);
- what to do where somebody cannot play a track (codecs.py, refusals.py), and whom a second encoding serves
  (seconds.py, second_clock.py);
- who may come in, and which rooms and nodes there are (admission.py, directory.py).

Its state is touched by plain calls only: nothing awaits between reading and writing it, so on
Trio's one thread every change is whole. What has to wait (the store, the engine) waits in the
task of the one client who asked, or in the one task that reconciles subscriptions.
"""

from node.conductor.admission import Admission
from node.conductor.conductor import Conductor, open_conductor
from node.conductor.directory import Directory

__all__ = ["Admission", "Conductor", "Directory", "open_conductor"]
"""What the service tree opens."""
