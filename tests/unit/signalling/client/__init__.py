"""The client side: codec, the per-connection machine, outbox and the Python client."""
