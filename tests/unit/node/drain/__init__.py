"""Tests of node/drain."""
