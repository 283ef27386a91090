"""The page and the SDK: what can be said of them without a browser."""
