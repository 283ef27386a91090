"""Relay or one node: the planner."""
