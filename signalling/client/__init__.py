"""The words between a client and its node, and the machine that holds one connection to them."""
