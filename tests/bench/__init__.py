"""Benchmarks: `make bench` runs them all, `make bench BENCH=forward` runs `test_forward.py` alone.

A benchmark is a test with the marker `bench` that measures in interleaved rounds and hands a `Report` (`report.py`) to
the world: a table on the screen and `build/bench/<name>.json`. A goal is a ratio of two things taken in the same run,
since this machine is not the next one.
"""
