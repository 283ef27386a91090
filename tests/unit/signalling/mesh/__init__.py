"""The mesh side: envelopes and link messages."""
