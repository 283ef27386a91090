"""Networks worse than loopback, without root: what stands between a client and a node's media port."""
