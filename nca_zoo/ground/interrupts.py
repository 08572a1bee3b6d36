"""Ctrl-C and SIGTERM: put off until what must not be cut short is done, noted, or never lost."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], None]


@contextmanager
def _handled(signals: Sequence[signal.Signals], handler: Handler) -> Iterator[None]:
    before = {each: signal.signal(each, handler) for each in signals}
    try:
        yield
    finally:
        for each, former in before.items():
            # None: set by something other than Python, which cannot be set again.
            signal.signal(each, signal.SIG_DFL if former is None else former)


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

    try:
        with _handled(SIGNALS, note):
            yield
    finally:
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

    with _handled(signals, note):
        yield lambda: bool(came)


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

    with _handled(SIGNALS, interrupt):
        yield heed
