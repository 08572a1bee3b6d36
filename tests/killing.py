"""Killing a process at one of its calls of the system, for the tests of what is then left."""

import os
import signal
from collections.abc import Callable
from typing import Any

import h5py

CALLS = ("fsync", "replace", "unlink", "mkdir", "rmdir", "posix_fallocate")  # that change something


def kill_at_call(count: int, writes: int = 1) -> None:
    """Have this process killed just before its ``count``-th call that changes something.

    So many writes of data, which all go into a file that nobody reads yet, count as one call.
    """
    calls = 0

    def counted(original: Callable[..., Any], together: int = 1) -> Callable[..., Any]:
        done = 0

        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls, done
            calls += done % together == 0
            if calls == count and done % together == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return original(*arguments, **options)

        return call

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, counted(getattr(os, name)))
    h5py.Dataset.__setitem__ = counted(h5py.Dataset.__setitem__, writes)


def killed_at_call(count: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a fork that is killed there; whether it had come so far."""
    pid = os.fork()
    if pid == 0:
        try:
            kill_at_call(count, writes=8)
            work()
            os._exit(0)
        finally:  # an error must not go on in two processes
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)
