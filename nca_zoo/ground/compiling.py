"""numba's cache of compiled code, where nothing may be written and where what lies there is broken.

numba itself gives up with a traceback in both cases. Here code is then compiled anew, and kept if
that can be. What is kept ends in its SHA-256: machine code with a flipped bit may do anything.

And while it compiles, Python collects no garbage: there is hardly any among the millions of small
objects that it would look through again and again, for an eighth of the time.
"""

import gc
import hashlib
import os
import pickle
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba.core import caching, dispatcher, event
from numba.np.ufunc import ufuncbuilder

DIGEST_BYTES = 32


def forgive_caches() -> None:
    """Have all functions that are compiled from now on, in this process, use such a cache."""
    for module in (dispatcher, ufuncbuilder):
        vars(module)["FunctionCache"] = _cache
    event.register("numba:compile", _NO_COLLECTION)


class _NoCollection(event.Listener):
    """Pauses the garbage collector from the first compilation that begins to the last that ends."""

    def __init__(self) -> None:
        self._lock, self._running, self._collected = threading.Lock(), 0, True

    def on_start(self, _: Any) -> None:
        with self._lock:
            if not self._running:
                self._collected = gc.isenabled()
                gc.disable()
            self._running += 1

    def on_end(self, _: Any) -> None:
        with self._lock:
            self._running -= 1
            if not self._running and self._collected:
                gc.enable()


_NO_COLLECTION = _NoCollection()


def _cache(function: Any) -> Any:
    """A function's cache, or one that keeps nothing if there is no place for it."""
    try:
        return _ForgivingCache(function)
    except (RuntimeError, OSError):
        return caching.NullCache()


class _UserWide(caching.UserWideCacheLocator):
    """The user's own cache folder, which without a home would be one named ~, wherever we are."""

    def ensure_cache_path(self) -> None:
        if not os.path.isabs(self.get_cache_path()):
            raise OSError("no home")
        super().ensure_cache_path()


class _Places(caching.CompileResultCacheImpl):
    def __init__(self, function: Any) -> None:
        self._locator_classes = [
            _UserWide if kind is caching.UserWideCacheLocator else kind
            for kind in self._locator_classes
        ]
        super().__init__(function)


class _ForgivingCache(caching.FunctionCache):
    _impl_class = _Places

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _Checked(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, *what: Any) -> Any:
        try:
            return super().load_overload(*what)
        except Exception:  # whatever unpickling says of what is no pickle
            with suppress(OSError):
                self.flush()  # or it would be met again when there is something to keep
            return None

    def save_overload(self, *what: Any) -> None:
        with suppress(Exception):
            super().save_overload(*what)


class _Checked(caching.IndexDataCacheFile):
    """Data files with their digest behind the pickle, where numba by itself does not look."""

    def _save_data(self, name: str, data: Any) -> None:
        dumped = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(dumped + hashlib.sha256(dumped).digest())

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        dumped, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(dumped).digest() != digest:
            raise ValueError(f"{name} is not what was kept")
        return pickle.loads(dumped)
