"""One NCA as people use it, and the film of its life."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import Array, seen, unflatten
from nca_zoo.automaton.seeds import Seed
from nca_zoo.automaton.signals import Told
from nca_zoo.automaton.wounds import Wound
from nca_zoo.building.becoming import Becoming, goal
from nca_zoo.errors import ZooError, nearest
from nca_zoo.face import shown
from nca_zoo.life.rollout import State, rollout
from nca_zoo.store.zoofile import Zoo

if TYPE_CHECKING:
    from nca_zoo.explorer.notebook import Live
    from nca_zoo.viewer.frames import Pixels

FPS = {".mp4": 30, ".gif": 25}
EVERY = {".mp4": 1, ".gif": 4, ".png": 1}  # CA steps a frame
Planted = Sequence[tuple[int, int] | Seed]  # cells to grow from, and seeds planted later
STRIP = (0, 8, 16, 32, 64, 96, 200, 400)  # steps of a PNG


class NCA:
    """One NCA: every column of its zoo is an attribute, here a single value.

    ``nca.psnr_96`` and ``nca.status`` say how good it is, ``nca.zoo`` is the zoo of it alone.
    """

    def __init__(self, zoo: Zoo) -> None:
        """The one NCA of a zoo of one."""
        if len(zoo) != 1:
            raise ValueError(f"expected a zoo of one NCA, found {len(zoo)}")
        self.zoo = zoo

    def __getattr__(self, name: str) -> Any:
        zoo = self.__dict__.get("zoo")
        if zoo is None or name.startswith("_") or name not in zoo.columns:
            near = "" if zoo is None or name.startswith("_") else nearest(name, dir(self))
            raise AttributeError(f"an NCA has no {name!r}{near}")
        value = zoo.column(name)[0]
        return value.item() if isinstance(value, np.generic) else value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *filter(str.isidentifier, self.zoo.columns)})

    def __repr__(self) -> str:
        height, width = self.zoo.grid
        dB = f", PSNR {self.psnr_96:.1f} dB at step 96, {self.psnr_400:.1f} dB at step 400"
        known = dB if self.status != "unjudged" else ""
        return f"<NCA {self.id}: {self.status}, {height} x {width} cells{known}>"

    def _repr_html_(self) -> str:
        return shown.nca_html(self.zoo, self.id)

    @property
    def id(self) -> str:
        """Its name in the zoo."""
        return str(self.zoo.id[0])

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """All weights, flat: ``(P,)``."""
        return self.zoo.weights[0]

    @property
    def tensors(self) -> dict[str, Array]:
        """The weights by name: W1 ``(128, 48)``, b1 ``(128,)``, W2 ``(16, 128)``, b2 ``(16,)``."""
        return unflatten(self.weights)

    @property
    def seed(self) -> State:
        """The state ``(H, W, 16)`` that it grows from."""
        return self.zoo.seed_states(0)

    def rollout(
        self,
        steps: int,
        damage: Wound | Sequence[Wound] = (),
        every: int = 1,
        states: bool = False,
        seed: int = 0,
        seeds: Planted = (),
        as_: "Mapping[int, NCA] | None" = None,
        told: Sequence[Told] = (),
    ) -> Iterator[tuple[int, State]]:
        """Let it grow: ``(step, picture (H, W, 4))`` at step 0, then every ``every``-th, the last.

        A picture is what is seen, premultiplied RGBA, not clipped; with ``states`` all 16 channels.
        seed: which fire masks. seeds: cells ``(row, col)`` to grow from in place of its own, and
        ``Seed`` to be planted later. as_: from which step on it goes on with the weights of which
        other NCA. told: other weights, in a circle of cells, too.
        Raises ZooError for what would happen after the end or outside the grid.
        """
        told = [*(one.told(self.zoo, 0) for one in _becoming(as_)), *told]
        zoo, planted = self.zoo, [s if isinstance(s, Seed) else Seed(0, *s) for s in seeds]
        look = seed, every, _wounds(damage), zoo.fire_rate, zoo.signal(), planted, zoo.seed_kind(0)
        run = rollout(self.weights, zoo.start(0, planted), steps, *look, told=told)
        return ((step, now if states else seen(now, self.zoo.trained)) for step, now in run)

    def film(
        self,
        steps: int = 400,
        damage: Wound | Sequence[Wound] = (),
        seed: int = 0,
        background: str = "dark",
        seeds: Planted = (),
        as_: "Mapping[int, NCA] | None" = None,
    ) -> "Film":
        """A film of its life: nothing is computed until it is shown or saved.

        Arguments as ``rollout``; background: ``dark``, ``light`` or ``checker``.
        """
        return Film(self, steps, _wounds(damage), seed, background, seeds, as_)

    def live(self, height: int = 760) -> "Live":
        """The explorer's page with this NCA, alive in a notebook."""
        from nca_zoo.explorer.notebook import live

        return live(self.zoo, [self.id], height)

    def save(self, path: str | Path, replace: bool = False) -> Path:
        """Keep it: ``.h5`` makes a zoo of one; ``.mp4``, ``.gif``, ``.png`` show it, as ``film``.

        replace: a zoo that is there. Raises ZooError if there is one, and for other names.
        """
        path = Path(path)
        if path.suffix in EVERY:
            return self.film().save(path)
        if path.suffix != ".h5":
            raise ZooError(f"{path}: the name must end in .h5, or in {', '.join(EVERY)}")
        return self.zoo.save(path, replace)


class Film:
    """Frames of an NCA's rollout beside its target; a notebook shows it, ``save`` writes it."""

    def __init__(
        self,
        nca: NCA,
        steps: int,
        damage: Sequence[Wound],
        seed: int,
        background: str,
        seeds: Planted = (),
        as_: Mapping[int, NCA] | None = None,
    ) -> None:
        self.nca, self.steps, self.damage = nca, steps, damage
        self.seed, self.background, self.seeds, self.as_ = seed, background, seeds, as_
        self._run()  # says at once what will not do

    def __repr__(self) -> str:
        hurt = f", {len(self.damage)} wounds" if self.damage else ""
        return f"<Film of {self.nca.id}: {self.steps} steps{hurt}; .save(...) writes it>"

    def _repr_html_(self) -> str:
        return shown.image(self._gif, "gif", "max-width:min(100%, 36em)")

    @cached_property
    def _gif(self) -> bytes:
        """What a notebook shows: made once."""
        with tempfile.TemporaryDirectory() as folder:
            return self.save(Path(folder, "film.gif")).read_bytes()

    def _run(self, every: int = 1, states: bool = False) -> Iterator[tuple[int, State]]:
        return self.nca.rollout(
            self.steps, self.damage, every, states, self.seed, self.seeds, self.as_
        )

    def frames(self, every: int = 1) -> "Sequence[Pixels]":
        """The frames, uint8 RGB, every ``every`` steps: drawn when asked for."""
        from nca_zoo.viewer.frames import Film as Frames

        # What is seen is a quarter of a state, and a film has hundreds.
        run = [(step, picture.copy()) for step, picture in self._run(every)]
        judged, zoo = self.nca.status != "unjudged", self.nca.zoo
        target = goal(zoo, 0, _becoming(self.as_))
        about = f"PSNR {self.nca.psnr_96:.1f} dB" if judged else ""
        return Frames(run, target, self.nca.id, about, self.background, zoo.trained)

    def save(self, path: str | Path, fps: int | None = None, every: int | None = None) -> Path:
        """Write it, by the ending: ``.mp4``, ``.gif``, or ``.png``, a strip of some moments.

        fps: frames a second, 30 (GIF: 25); every: CA steps a frame, 1 (GIF: 4). A file appears
        whole or not at all, in place of an older one. Raises ZooError if it cannot be written.
        """
        from nca_zoo.viewer.video import write_gif, write_mp4, write_png

        path = Path(path)
        if path.suffix not in EVERY:
            raise ZooError(f"{path}: a film's name must end in {', '.join(EVERY)}")
        if path.suffix == ".png":
            write_png(path, self._strip())
            return path
        write = write_mp4 if path.suffix == ".mp4" else write_gif
        frames = self.frames(every or EVERY[path.suffix])
        write(path, frames, fps or FPS[path.suffix])
        return path

    def _strip(self) -> "Pixels":
        from nca_zoo.viewer.frames import strip

        moments = {*STRIP, self.steps, *(wound.step for wound in self.damage), *(self.as_ or ())}
        chosen = [(step, state) for step, state in self._run(states=True) if step in moments]
        trained, name = self.nca.zoo.trained, self.nca.id
        target = goal(self.nca.zoo, 0, _becoming(self.as_))
        return strip(chosen, target, name, background=self.background, trained=trained)


def _wounds(damage: Wound | Sequence[Wound]) -> list[Wound]:
    return [damage] if isinstance(damage, Wound) else list(damage)


def _becoming(others: Mapping[int, NCA] | None) -> list[Becoming]:
    return [Becoming(step, other=nca.zoo) for step, nca in (others or {}).items()]
