"""Tests in rings: `unit` (pure, quick), `cluster` (real processes), `browser` (Chromium), `bench` (measurements).

`make test` runs all but `bench`. One ring alone: `.venv/bin/python -m pytest tests/unit`. The tree of `unit` mirrors
the source. Time in unit tests is trio's `MockClock`; a test that needs a real wait belongs into another ring.
"""
