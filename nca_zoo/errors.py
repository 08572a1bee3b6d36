"""The one exception that reaches a person."""


class ZooError(Exception):
    """Something a person can put right: its text is one line that says what is wrong, what was
    expected and what to do. The command line prints it and exits with 1."""
