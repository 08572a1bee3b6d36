"""NCAs as they run: what has to be known of them to let them live, in one record.

Weights, the seed that each grows from, the keys of its fire masks and what is seen of it belong
together. Engines, trials and rollouts take the record; nobody hands its parts around one by one.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import FIRE_RATE, Stream, fire_level, fold
from nca_zoo.automaton.rule import CHANNELS, N_PARAMS, VISIBLE, seen
from nca_zoo.automaton.signals import B1, Places, Signal, heard

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint64]


def rollout_keys(seed: int, k: int) -> Keys:
    """Fire-mask keys ``(K, 1)`` of the rollouts that people see, for rollout seed ``seed``."""
    return np.full((k, 1), fold(seed, Stream.ROLLOUT), np.uint64)


@dataclass(frozen=True, eq=False)
class Automata:
    """K NCAs on one grid of H x W cells, in B rollouts each.

    Raises ValueError for arrays of other shapes or types: compiled code must never see them.
    """

    weights: Floats  # (K, P)
    seeds: Floats  # (K, H, W, 16), the states that they grow from
    keys: Keys  # (K, B), of the fire masks of their rollouts
    shows: int = VISIBLE  # how many of the visible channels are seen, from the last: `rule.seen`
    fire_rate: float = FIRE_RATE  # chance of a cell to fire in a step, in 256ths: `noise.fire_mask`
    signal: Signal | None = None  # what they hear, if anything
    room: npt.NDArray[np.bool_] | None = None  # (K, H, W), out of which no cell fires

    def __post_init__(self) -> None:
        k = len(self.weights)
        fire_level(self.fire_rate)
        expected: list[tuple[str, npt.NDArray[Any], tuple[int | None, ...], type]] = [
            ("weights", self.weights, (k, N_PARAMS), np.float32),
            ("seeds", self.seeds, (k, None, None, CHANNELS), np.float32),
            ("keys", self.keys, (k, None), np.uint64),
        ]
        for name, array, shape, dtype in expected:
            check_array(name, array, shape, dtype)
        if self.room is not None:
            check_array("room", self.room, (k, *self.grid), np.bool_)
        if self.signal is not None:
            check_array("signal", self.signal.S, (k, None, None), np.float32)
            check_array("signal", self.signal.s, (k, None, None), np.float32)
            b = 1 if self.signal.when.shape[1] == 1 else self.keys.shape[1]
            check_array("signal", self.signal.when, (k, b, None), np.int32)

    @classmethod
    def grown(
        cls,
        weights: npt.ArrayLike,
        seeds: npt.ArrayLike,
        seed: int = 0,
        shows: int = VISIBLE,
        fire_rate: float = FIRE_RATE,
        signal: Signal | None = None,
    ) -> "Automata":
        """NCAs ``(K, P)`` in the rollouts that people see: one each, under rollout seed ``seed``.

        seeds: ``(K, H, W, 16)``, or ``(H, W, 16)`` for all.
        """
        weights = np.ascontiguousarray(weights, np.float32)
        seeds = np.asarray(seeds, np.float32)
        if seeds.ndim == 3:
            seeds = np.broadcast_to(seeds, (len(weights), *seeds.shape))
        keys = rollout_keys(seed, len(weights))
        return cls(weights, seeds, keys, shows, fire_rate, signal)

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, rows: Any) -> "Automata":
        """Those of some rows: a slice, a mask or row numbers."""
        return replace(
            self,
            weights=self.weights[rows],
            seeds=self.seeds[rows],
            keys=self.keys[rows],
            signal=self.signal and self.signal[rows],
            room=None if self.room is None else self.room[rows],
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width in cells."""
        return self.seeds.shape[1], self.seeds.shape[2]

    def under(self, keys: Keys) -> "Automata":
        """The same NCAs under other fire masks: keys ``(K, B)``."""
        return replace(self, keys=keys)

    def hearing(self) -> tuple[Floats, Places]:
        """Hidden biases ``(K, F, 128)``, and which of them holds in CA step t, ``(K, B, T)``.

        After T steps it goes on from the first. Without a signal it is ``b1`` throughout.
        """
        k, b = self.keys.shape
        if self.signal is None:
            return self.weights[:, None, B1], np.zeros((k, b, 1), np.int32)
        when = self.signal.when
        return self.signal.biases(self.weights), np.broadcast_to(when, (k, b, when.shape[2]))

    def plain(self) -> "Automata":
        """The same NCAs, what they hear made part of their weights; it must not change."""
        if self.signal is None:
            return self
        when = self.signal.when
        if (when != when[:, :1, :1]).any():
            raise ValueError("a signal that changes is no part of the weights")
        s = self.signal.s[np.arange(len(self)), when[:, 0, 0]]
        return replace(self, weights=heard(self.weights, self.signal.S, s), signal=None)

    def starts(self) -> Floats:
        """The seeds as start states of all rollouts: ``(K, B, H, W, 16)``, an array of its own."""
        return np.repeat(self.seeds[:, None], self.keys.shape[1], axis=1)

    def seen(self, states: Floats) -> Floats:
        """What is seen of states ``(..., 16)``: premultiplied RGBA ``(..., 4)``."""
        return seen(states, self.shows)


def check_array(
    name: str, array: npt.NDArray[Any], shape: tuple[int | None, ...], dtype: type | None
) -> None:
    """Raise ValueError unless an array has this shape, where None is any size, and type."""
    fits = array.ndim == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits or (dtype is not None and array.dtype != dtype):
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        kind = np.dtype(dtype) if dtype is not None else "an"
        raise ValueError(
            f"{name}: expected {kind} array ({sizes}), found {array.dtype} {array.shape}"
        )
