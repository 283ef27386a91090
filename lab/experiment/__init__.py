"""Experiments: the same people in the same room over the same network, arranged in different ways, measured.

records.py is what one run measured, and the form in which it is kept on disk.
"""
