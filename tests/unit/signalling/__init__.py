"""The words: every message survives its wire, and no garbage gets past the decoders."""
