"""The one exception of the bootstrap: a failure that the operator can act upon.

Its text is a finished sentence: what was found, what was expected, what to do now. The commands
print it and exit with status 1; any other exception is a defect and keeps its traceback.
"""


class BootstrapError(Exception):
    """Start-up cannot go on; the message is the sentence shown to the operator."""
