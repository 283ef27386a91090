"""Questions to other nodes by Serf queries: do they answer (pings.py), and where does a room live (room_queries.py)."""
