"""Quick, deterministic tests; the tree mirrors the source."""
