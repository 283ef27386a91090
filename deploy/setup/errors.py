"""The one way set-up ends early."""


class SetupError(Exception):
    """Set-up cannot go on; the message is a sentence for a person and says the next step."""
