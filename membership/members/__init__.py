"""Who is in the cluster and who only says so: pure, from what the agent tells to immutable snapshots.

view.py decides, snapshot.py is what it makes. tags.py is what a node says of itself, certificate.py and revocations.py
why it is believed or not, standing.py which of several names speaks for a node, twins.py what is done when two
processes claim to be one, and seed_watch.py when to join again.
history.py, change_log.py and subscription.py tell others what changed.
"""
