"""Letting an NCA live: any number of steps from any state, with damage on the way."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import FIRE_RATE, fire_mask
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import update, updated
from nca_zoo.automaton.seeds import Seed, SeedKind
from nca_zoo.automaton.signals import B1, Signal, Told
from nca_zoo.automaton.wounds import Wound, circle
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine

State = npt.NDArray[np.float32]

Event = Wound | Seed | Told
_WORDS = {  # of an event that comes too late: what it is, what never is, what to do sooner
    Wound: ("damage", "seen to heal", "damage"),
    Seed: ("a seed", "seen to grow", "plant"),
    Told: ("becoming another", "seen", "begin"),
}


class Life:
    """One NCA alive: it grows when told to, can be wounded, planted, become another, begun again.

    weights: (P,); state: (H, W, 16), to which ``restart`` returns; seed: which fire masks, from 0
    to 2**64 - 1; kind: what planted seeds hold, as the NCA's own does; fire_rate: see
    ``noise.fire_mask``; signal: what it hears, of one NCA, from step 0 on.
    Its ``state``, float32 (H, W, 16), is a new array after every change.
    """

    def __init__(
        self,
        weights: npt.ArrayLike,
        state: npt.ArrayLike,
        seed: int = 0,
        kind: SeedKind = SeedKind(),
        fire_rate: float = FIRE_RATE,
        signal: Signal | None = None,
    ) -> None:
        self._start = np.array(state, np.float32, order="C")
        weights = np.asarray(weights, np.float32)
        self._nca = Automata.grown(
            weights[None], self._start, seed, fire_rate=fire_rate, signal=signal
        )
        self._kind = kind
        self._engine = make_engine()
        self.restart()

    def restart(self) -> None:
        """Back to step 0."""
        self.state, self.step = self._start.copy(), 0
        self._rules = [self._nca]  # that its cells live by, and which of them each does, (H, W)
        self._whose = np.zeros(self.state.shape[:2], int)

    @property
    def weights(self) -> State:
        """Those ``(P,)`` that it begins with."""
        return self._nca.weights[0]

    def grow(self, steps: int = 1) -> None:
        """Take CA steps."""
        if not steps:
            return
        if len(self._rules) > 1:
            self._grow_apart(steps)
            return
        batch = self._engine.rollout(self._rules[0], self.state[None, None], self.step, steps)
        self.state, self.step = batch[0, 0], self.step + steps

    def _grow_apart(self, steps: int) -> None:
        """Take CA steps in which not all cells live by the same weights, by the plain rule."""
        nca, (height, width) = self._nca, self.state.shape[:2]
        rows, cols = np.indices((height, width))
        for _ in range(steps):
            all_of_them = [update(_weights_at(rule, self.step), self.state) for rule in self._rules]
            own = np.stack(all_of_them)[self._whose, rows, cols]
            fires = fire_mask(nca.keys[0, 0], self.step, height, width, nca.fire_rate)
            state = updated(self.state, own, fires)
            self.state, self.step = state.astype(np.float32), self.step + 1

    def become(
        self,
        weights: npt.ArrayLike,
        cells: npt.NDArray[np.bool_] | None = None,
        signal: Signal | None = None,
    ) -> None:
        """From now on these cells ``(H, W)``, or all, live by other weights ``(P,)``; states stay.

        signal: what they hear from then on, of one NCA, on top of ``b1``.
        """
        weights = np.asarray(weights, np.float32)[None]
        rules = [*self._rules, replace(self._nca, weights=weights, signal=signal)]
        these = True if cells is None else cells
        whose = np.where(these, len(self._rules), self._whose)
        left, whose = np.unique(whose, return_inverse=True)
        self._rules = [rules[which] for which in left]
        self._whose = whose.reshape(self.state.shape[:2])

    def hurt(self, wound: Wound) -> None:
        """Erase the cells of a wound now; its ``step`` does not matter."""
        self.state = wound.apply(self.state)

    def plant(self, row: int, col: int) -> None:
        """Make the cell a seed, whatever it was. Raises ValueError outside the grid."""
        self.state = self._kind.planted(self.state, row, col)


def _weights_at(nca: Automata, step: int) -> State:
    """The weights ``(P,)`` of one NCA that always hears what it hears in this CA step."""
    biases, when = nca.hearing()
    weights = nca.weights[0].copy()
    weights[B1] = biases[0, when[0, 0, step % when.shape[2]]]
    return weights


def rollout(
    weights: npt.ArrayLike,
    state: npt.ArrayLike,
    steps: int,
    seed: int = 0,
    every: int = 1,
    damage: Sequence[Wound] = (),
    fire_rate: float = FIRE_RATE,
    signal: Signal | None = None,
    seeds: Sequence[Seed] = (),
    kind: SeedKind = SeedKind(),
    told: Sequence[Told] = (),
) -> Iterator[tuple[int, State]]:
    """Let one NCA take ``steps`` CA steps and yield ``(step, state)`` on the way.

    weights: (P,); state: (H, W, 16), state number 0; seed: which fire masks, from 0 to 2**64 - 1;
    signal: what it hears, of one NCA; seeds: that are planted on the way, of a ``kind``; told: by
    which other weights its cells live from a step on.
    Yields state 0, then every ``every``-th, and the last in any case; a damaged state is yielded
    with its wound, and a planted seed with the state. The same arguments always give the same
    states. Raises ZooError for what would happen after the end or outside the grid.
    """
    if steps < 0 or every < 1:
        raise ValueError(f"expected steps >= 0 and every >= 1, found {steps} and {every}")
    start = np.array(state, np.float32, order="C")
    happening: list[Event] = [*damage, *seeds, *told]
    _check(happening, steps, *start.shape[:2])
    life = Life(weights, start, seed, kind, fire_rate, signal)
    return _walk(life, steps, every, happening)


def _check(happening: Sequence[Event], steps: int, height: int, width: int) -> None:
    for event in happening:
        what, fate, sooner = _WORDS[type(event)]
        if event.step >= steps:
            raise ZooError(
                f"{what} at step {event.step} would never be {fate}: the rollout ends at step "
                f"{steps}; {sooner} earlier or take more steps"
            )
        if isinstance(event, Wound):
            for name, place, size in (("row", event.row, height), ("column", event.col, width)):
                if place is not None and not 0 <= place <= size - 1:
                    raise ZooError(
                        f"damage at {name} {place:g} lies outside the grid of {height} x {width} "
                        f"cells; {name}s go from 0 to {size - 1}"
                    )
        elif isinstance(event, Seed) and not (0 <= event.row < height and 0 <= event.col < width):
            raise ZooError(
                f"a seed at row {event.row}, column {event.col} lies outside the grid of {height} "
                f"x {width} cells; rows go from 0 to {height - 1}, columns from 0 to {width - 1}"
            )


def _walk(
    life: Life, steps: int, every: int, happening: Sequence[Event]
) -> Iterator[tuple[int, State]]:
    events: dict[int, list[Event]] = defaultdict(list)
    for event in happening:
        events[event.step].append(event)
    for stop in sorted({*range(0, steps, every), *events, steps}):
        life.grow(stop - life.step)
        for event in events[stop]:
            _happen(life, event)
        if stop % every == 0 or stop == steps:
            yield stop, life.state


def _happen(life: Life, event: Event) -> None:
    if isinstance(event, Wound):
        life.hurt(event)
    elif isinstance(event, Seed):
        life.plant(event.row, event.col)
    else:
        height, width = life.state.shape[:2]
        where = None if event.circle is None else circle(height, width, *event.circle)
        life.become(event.weights, where, event.signal)


def rollout_all(
    weights: npt.ArrayLike,
    states: npt.ArrayLike,
    steps: int,
    seed: int = 0,
    every: int = 1,
    damage: Sequence[Wound] = (),
    batch: int = 256,
    threads: int = 1,
    fire_rate: float = FIRE_RATE,
    signal: Signal | None = None,
) -> Iterator[tuple[int, State]]:
    """Let K NCAs live side by side and yield ``(step, states (K, H, W, 16))`` on the way.

    weights: (K, P); states: (K, H, W, 16); signal: what they hear, of K NCAs. Each lives exactly as
    ``rollout`` with the same seed would have it. batch: how many the engine takes at a time; all
    states are held, 64 bytes a cell. Which steps are yielded, wounds and errors: as ``rollout``.
    """
    if steps < 0 or every < 1 or batch < 1:
        found = f"{steps}, {every} and {batch}"
        raise ValueError(f"expected steps >= 0, every >= 1 and batch >= 1, found {found}")
    now = np.array(states, np.float32, order="C")
    ncas = Automata.grown(weights, now, seed, fire_rate=fire_rate, signal=signal)
    _check(damage, steps, *ncas.grid)
    return _walk_all(ncas, now, steps, every, damage, batch, threads)


def _walk_all(
    ncas: Automata, states: State, steps: int, every: int, damage: Sequence[Wound], batch: int,
    threads: int,
) -> Iterator[tuple[int, State]]:  # fmt: skip
    engine, step = make_engine(threads=threads), 0
    for stop in sorted({*range(0, steps, every), *(wound.step for wound in damage), steps}):
        for first in range(0, len(ncas) if stop > step else 0, batch):
            some = slice(first, first + batch)
            after = engine.rollout(ncas[some], states[some, None], step, stop - step)
            states[some] = after[:, 0]
        step = stop
        for wound in damage:
            if wound.step == stop:
                states = np.stack([wound.apply(state) for state in states])
        if stop % every == 0 or stop == steps:
            yield stop, states.copy()
