"""How far two nodes are and how sure that is (estimate.py), for all pairs (rtt_matrix.py), by Serf (coordinates.py)."""
