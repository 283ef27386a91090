"""Questions to other nodes by Serf queries.

Do they answer (pings.py), do they refuse this node (refusals.py), and where does a room live (room_queries.py).
"""
