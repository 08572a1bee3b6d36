"""Targets that move as vectors: what stills of them give away, and what the whole film does."""

from typing import TYPE_CHECKING

import numpy as np

from nca_zoo.errors import ZooError
from nca_zoo.features.measures import Vectors, pictures

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

FRAMES = 16  # of a film that are read, at most
LATER = 8  # so many such looks later come to one round


def later_frame(zoo: "Zoo") -> Vectors:
    """What is due an eighth of a period after the first frame, ``(N, H, W, C)``.

    Where a motion that comes round once or twice in a period is well on its way: half a period on
    most are back where they began.
    """
    films = zoo.films
    return pictures(films[:, films.shape[1] // LATER], zoo.target)


def mean_frame(zoo: "Zoo") -> Vectors:
    """All frames of each film laid over each other, ``(N, H, W, C)``."""
    return _frames(zoo).mean(axis=1)


def film(zoo: "Zoo") -> Vectors:
    """Frame after frame of each film, ``(N, D)``."""
    frames = _frames(zoo)
    return frames.reshape(len(frames), -1)


def changes(zoo: "Zoo") -> Vectors:
    """What each frame has more or less than the mean of all, ``(N, D)``: the motion alone."""
    frames = _frames(zoo)
    frames = frames - frames.mean(axis=1, keepdims=True)
    return frames.reshape(len(frames), -1)


def clock_alone(zoo: "Zoo") -> Vectors:
    """How hidden units hear the clock, ``(N, 512)``; raises ZooError if they hear none."""
    signal = zoo.signal()
    if signal is None:
        raise ZooError(f"{zoo.path}: its cells hear no clock, so that there is none to read")
    return signal.S.reshape(len(signal.S), -1)


def with_clock(zoo: "Zoo") -> Vectors:
    """All that was learnt: weights, and how the clock is heard, ``(N, P + 512)``."""
    return np.concatenate([zoo.weights, clock_alone(zoo)], axis=1)


def _frames(zoo: "Zoo") -> Vectors:
    """Up to 16 frames of each film, evenly, ``(N, F, H, W, C)``."""
    films = zoo.films
    n = min(FRAMES, films.shape[1])
    chosen = [films.shape[1] * i // n for i in range(n)]
    return np.stack([pictures(films[:, i], zoo.target) for i in chosen], axis=1)
