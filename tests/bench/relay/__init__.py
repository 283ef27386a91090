"""The parts of `make bench BENCH=relay`, each a module that measures one thing and judges it.

- part.py is what they have in common: a name, about how long it takes, and what comes of it.
- setting_up.py: from the wish of somebody behind a link to the first packet over it; wire.py sees the packets.
- hop.py: what one more node on the way adds to the delay, beside a bare forwarder of datagrams.
- leg_costs.py: what a leg costs beside a subscriber, and among others.
- deaths.py kills nodes: how soon links and Serf know (detection.py), how long nothing is seen or heard (gaps.py).
- growth.py: the same people on two nodes and on six.

people.py plays people who neither move nor come back; quantiles.py is arithmetic.
"""
