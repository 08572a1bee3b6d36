"""The one exception and the one warning that reach a person, and how they quote others."""


class ZooError(Exception):
    """Something a person can put right: its text is one line that says what is wrong, what was
    expected and what to do. The command line prints it and exits with 1."""


def one_line(error: BaseException) -> str:
    """What another library says is wrong, as one short printable line."""
    line = " ".join(str(error).split()).strip("'\"")[:120] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in line)


class ZooWarning(UserWarning):
    """Something a person should know and need not put right: one line, as of ``ZooError``."""
