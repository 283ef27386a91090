"""The set-up program."""
