"""How a link comes about: pure, for all peers of one node.

- transitions.py: the theory of operation and the table.
- core.py: `handle(event, now)` and `next_deadline()`: what an event means for which peer.
- attempts.py: what is then done; peer.py is what is remembered, voice.py what is said.
- renewals.py: attempts beside a link that is up, and how one takes its place.
- events.py goes in, effects.py comes out; both are plain facts.
- inspection.py stands at the gate: which messages of the gossip are believed.
- pace.py: how long a node waits after a failure.
"""

from relay.negotiation.core import LinkView, Negotiation, Phase
from relay.negotiation.inspection import Inspector, Verdict

__all__ = ["Inspector", "LinkView", "Negotiation", "Phase", "Verdict"]
