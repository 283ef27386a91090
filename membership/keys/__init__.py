"""The keys of the gossip: this node's own (keyring.py), and those of everybody, changed in steps (rotation.py)."""
