"""Ctrl-C and SIGTERM: put off until what must not be cut short is done, noted, or never lost."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def finishing() -> Iterator[None]:
    """Let the block run to its end; a signal that came meanwhile takes effect then.

    Signals reach the main thread alone, so on any other this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: set by something other than Python, which cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def noted(signals: Sequence[signal.Signals] = SIGNALS) -> Iterator[Callable[[], bool]]:
    """Tells whether one of ``signals`` has come; the second is a KeyboardInterrupt.

    Signals reach the main thread alone, so on any other none ever comes.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for each in signals:
            signal.signal(each, signal.default_int_handler)

    before = {each: signal.signal(each, note) for each in signals}
    try:
        yield lambda: bool(came)
    finally:
        for each, handler in before.items():
            signal.signal(each, signal.SIG_DFL if handler is None else handler)


@contextmanager
def heeded() -> Iterator[Callable[[], None]]:
    """Signals are KeyboardInterrupts; yields what raises one that was lost on its way.

    Python drops what is raised while it runs a callback that nobody called: of a weak reference,
    say, as the libraries under us have many. So whoever works on for long asks now and then.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    def heed() -> None:
        if came:
            raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in SIGNALS}
    try:
        yield heed
    finally:
        for each, handler in before.items():
            signal.signal(each, signal.SIG_DFL if handler is None else handler)
