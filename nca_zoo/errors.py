"""The one exception that reaches a person, and how it quotes others."""


class ZooError(Exception):
    """Something a person can put right: its text is one line that says what is wrong, what was
    expected and what to do. The command line prints it and exits with 1."""


def one_line(error: BaseException) -> str:
    """What another library says is wrong, as one short printable line."""
    line = " ".join(str(error).split()).strip("'\"")[:120] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in line)
