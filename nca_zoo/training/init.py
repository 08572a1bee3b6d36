"""Where weights start: independent draws, one shared draw, a meta-learned start, or one that is
written for the picture."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.signals import HANDS
from nca_zoo.choices import DEFAULT_REGIME, INITS
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import holds, read_archive, write_archive
from nca_zoo.pictures.targets import Rgba, Target
from nca_zoo.training.writer import Writer, read_writer

Floats = npt.NDArray[np.float32]
MAX_START_BYTES = 1 << 20
MADE_BY = "nca-zoo metastart"
FROM_FILES = ("meta", "written")  # starts that a file of one's own can take the place of
META_STARTS = {  # that ship, by regime and what is visible
    ("growing", "rgba"): "growing",
    ("persistent", "rgba"): "persistent",
    ("persistent", "grey"): "persistent-grey",
    ("regenerating", "rgba"): "regenerating",
    ("regenerating", "grey"): "regenerating",
}
MOVING_STARTS = {  # likewise, of NCAs that hear a clock
    ("persistent", "rgba"): "moving",
    ("regenerating", "rgba"): "moving",
}
FIRST = "regenerating-first"  # ships, too: where the rules that ship began
FIRST_WRITER = "regenerating-first-writer"  # likewise: where the writer for films began
SYNCHRONOUS = "synchronous"  # likewise: where that of the regime with wounds began
ROOMS = "rooms"  # likewise: where the next begin
SOWN_STARTS = {  # likewise, of NCAs that grow from several seeds
    (regime, visible): "places"
    for regime in ("growing", "persistent", "regenerating")
    for visible in ("rgba", "grey")
}
WRITERS = {("regenerating", "rgba"): "regenerating-writer"}  # that ship, likewise
FILM_WRITERS = {(regime, "rgba"): "moving-writer" for regime in ("persistent", "regenerating")}
CODES = {("regenerating", "rgba", 16): "code"}  # likewise, by how many numbers a code has
FEW: dict[tuple[str, str, tuple[str, ...]], str] = {  # likewise, by the tensors that are fitted
    ("regenerating", "rgba", ("b1", "b2")): "few"
}


@dataclass(frozen=True)
class Init:
    """The start of every fit of a zoo: one weight vector for all, else what a writer writes for the
    picture, else a draw each."""

    name: str
    shared: Floats | None = None
    visible: str = "rgba"  # what a learnt start's own NCAs showed
    writer: Writer | None = None
    clock: Floats | None = None  # (HIDDEN, HANDS), how NCAs of this start hear the hands of a clock
    coder: Writer | None = None  # if `shared` is one rule for all: it writes where codes start

    @property
    def S(self) -> Floats | None:
        """How NCAs of this start hear a clock, or their codes, ``(HIDDEN, d)``, if they do."""
        return self.clock if self.coder is None else self.coder.S

    @property
    def one_rule(self) -> Writer | None:
        """What writes few numbers for the NCAs of this start, if all else is one rule for all."""
        writer = self.coder or self.writer
        return None if writer is None or writer.touched == rule.TENSORS else writer

    @property
    def clock_digest(self) -> str:
        """64 hex digits that stand for how the clock is heard at the start, if it is."""
        return "" if self.clock is None else sha256(self.clock.astype("<f4").tobytes()).hexdigest()

    def weights(self, rng_seed: int, attempt: int, target: Target | None = None) -> Floats:
        """Starting weights ``(P,)`` of the NCA with this seed, at its ``attempt``, from 0.

        target: what it is to grow, for a writer.
        """
        if self.shared is not None:
            return self.shared.copy()
        if self.writer is not None:
            if target is None:
                raise ValueError("a writer writes for a target")
            return self.writer.weights(target)
        return glorot(fold(fold(rng_seed, Stream.INIT), attempt))

    def begins(
        self, rng_seed: int, attempt: int, target: Target, film: Rgba | None = None
    ) -> tuple[Floats, Floats | None]:
        """``weights``, and how NCAs that begin there hear what they hear: ``S``, or of a writer for
        films what it writes for this one, ``(F, H, W, 4)``."""
        if self.shared is None and self.writer is not None and self.writer.for_films:
            return self.writer.begins(target, film)
        return self.weights(rng_seed, attempt, target), self.S


def glorot(key: int) -> Floats:
    """Distill's start ``(P,)``: W1 Glorot uniform, everything else zero, so that nothing grows."""
    shapes, slices = dict(rule.PARAM_SPEC), rule.param_slices()
    fan_out, fan_in = shapes["W1"]
    limit = np.sqrt(6 / (fan_in + fan_out))
    weights = np.zeros(rule.N_PARAMS, np.float32)
    weights[slices["W1"]] = limit * (2 * uniform(key, fan_in * fan_out) - 1)
    return weights


def make_init(
    name: str,
    regime: str,
    build_seed: int = 0,
    start: Path | None = None,
    visible: str = "rgba",
    clocked: bool = False,
    code: int = 0,
    train: Sequence[str] = rule.TENSORS,
    sown: bool = False,
) -> Init:
    """The start called ``name`` for a regime and what is visible (``TargetSettings.visible``).

    clocked: for targets that move, and cells that hear a clock. code: for one rule, and codes of so
    many numbers. train: the tensors that are fitted. sown: for growths from several seeds.
    ``start`` is a file of `nca-zoo metastart`, or for ``written`` of `nca-zoo writer learn`, taken
    in place of those that ship.
    """
    if name not in INITS:
        raise ZooError(f"no start is called {name!r}; there are {', '.join(INITS)}")
    if start is not None and name not in FROM_FILES:
        raise ZooError(f"a start file goes with the start 'meta' or 'written', not with {name!r}")
    if code:
        return _coded(name, regime, visible, code, start)
    if name == "written":
        return _written(regime, visible, start, tuple(train), clocked)
    if name == "independent":
        return Init(name)
    if name == "shared":
        return Init(name, glorot(fold(build_seed, Stream.INIT)))
    if start is not None:
        return _learnt(start)
    shipped = META_STARTS | (MOVING_STARTS if clocked else {}) | (SOWN_STARTS if sown else {})
    if (regime, visible) not in shipped:
        grey = "" if visible == "rgba" else f" --visible {visible}"
        raise ZooError(
            f"no meta-learned start ships for the regime {regime!r}{grey and ' and' + grey}; use "
            "--init shared, --init independent, or --start with a file of "
            f"`nca-zoo metastart --regime {regime}{grey}`"
        )
    return _shipped(shipped[regime, visible])


def several_init(visible: str, start: Path | None = None) -> Init | None:
    """The start of one NCA for several pictures: a rule that hears codes, and what writes them.

    start: a file of `nca-zoo metastart --code`; else the one that ships for what is visible, if one
    does. Raises ZooError for a file that knows no codes, or shows something else.
    """
    ships = [name for (_, shown, _), name in CODES.items() if shown == visible]
    if start is None and not ships:
        return None
    coder = _writer(ships[0]) if start is None else read_writer(start, "nca-zoo metastart --code")
    if coder.S is None or coder.visible != visible:
        raise ZooError(
            f"{start}: several pictures begin at a rule of `nca-zoo metastart --code` that shows "
            f"{visible}, and this {'knows no codes' if coder.S is None else 'shows another'}"
        )
    return Init("written", coder.base, visible, coder=coder)


def fitting_init(regime: str, visible: str, start: Path | None, train: Sequence[str]) -> str | None:
    """The name of the start that a file is of, or that ships for few tensors; else None."""
    if start is not None:
        return "written" if holds(start, "changes") else None
    return "written" if (regime, visible, tuple(train)) in FEW else None


def find_start(start: str) -> Init:
    """The start of that name that ships, or of a start file."""
    ships = (META_STARTS, MOVING_STARTS, SOWN_STARTS)
    names = {FIRST, SYNCHRONOUS, ROOMS}.union(*(starts.values() for starts in ships))
    return _shipped(start) if start in names else _learnt(Path(start))


def start_weights(start: str) -> Floats:
    """Weights ``(P,)`` of the start of that name that ships, or of a start file."""
    return find_start(start).weights(0, 0)


def _written(
    regime: str, visible: str, path: Path | None, train: tuple[str, ...], clocked: bool
) -> Init:
    """A writer's start, of a file or of the writer that ships, if one does of these tensors, or for
    films."""
    ships = FEW.get((regime, visible, train)) or WRITERS.get((regime, visible))
    if clocked:
        ships = FILM_WRITERS.get((regime, visible))
    of_films = " for films" if clocked else ""
    if path is not None:
        writer = read_writer(path)
    elif ships is not None:
        writer = _writer(ships)
    else:
        raise ZooError(
            f"no writer{of_films} ships for the regime {regime!r} with --visible {visible}; use "
            "--init meta, or --start with a file of `nca-zoo writer learn`"
        )
    if writer.for_films != clocked:
        kinds = ("targets that move", "stills")
        here, there = kinds if clocked else kinds[::-1]
        raise ZooError(f"{path}: this writer was learnt for {there}, and these are {here}")
    if writer.visible != visible:
        raise ZooError(
            f"{path}: this writer was learnt from NCAs that show {writer.visible}; use "
            f"--visible {writer.visible}, or another writer"
        )
    return Init("written", visible=visible, writer=writer)


def _coded(name: str, regime: str, visible: str, code: int, path: Path | None) -> Init:
    """One rule, and what writes codes for it, of a file or of those that ship."""
    if name != "meta":
        raise ZooError(
            f"--code begins at a rule that was learnt for codes; leave --init {name} out"
        )
    wanted = regime, visible, code
    if path is None and wanted not in CODES:
        raise ZooError(
            f"no rule for codes of {code} numbers ships for the regime {regime!r} with --visible "
            f"{visible}; use --start with a file of `nca-zoo metastart --code {code}`"
        )
    if path is not None:
        coder = read_writer(path, "nca-zoo metastart --code")
    else:
        coder = _writer(CODES[wanted])
    if coder.S is None or coder.S.shape[1] != code or coder.visible != visible:
        found = "no codes" if coder.S is None else f"codes of {coder.S.shape[1]} numbers"
        raise ZooError(
            f"{path}: it knows {found} and was learnt with --visible {coder.visible}; expected "
            f"--code {code} and --visible {visible}"
        )
    return Init("meta", coder.base, visible, coder=coder)


def shipped_writer(
    regime: str = DEFAULT_REGIME, visible: str = "rgba", films: bool = False
) -> Writer:
    """The writer that ships for a regime and what is visible, or that for films."""
    return _writer((FILM_WRITERS if films else WRITERS)[regime, visible])


def find_writer(start: str) -> Writer:
    """The writer for stills of that name that ships, or of a writer file."""
    names = {FIRST_WRITER, *WRITERS.values()}
    return _writer(start) if start in names else read_writer(Path(start))


def _writer(name: str) -> Writer:
    with _starts(name) as path:
        return read_writer(path)


def _starts(name: str) -> AbstractContextManager[Path]:
    """The file of a start that ships."""
    return resources.as_file(resources.files("nca_zoo.training") / "starts" / f"{name}.npz")


def _shipped(name: str) -> Init:
    with _starts(name) as path:
        return _learnt(path)


def _learnt(path: Path) -> Init:
    """The start of a start file."""
    arrays, recipe = _read(path)
    visible = "grey" if recipe.get("visible") == "grey" else "rgba"
    return Init("meta", arrays["weights"], visible, clock=arrays.get("clock"))


def write_start(
    path: Path,
    weights: Floats,
    recipe: dict[str, Any],
    early: Floats,
    clock: Floats | None = None,
) -> None:
    """Write starting weights ``(P,)`` and the settings that they were learnt with.

    ``early`` ``(P,)`` is where the recipe stood after its first rounds, so that a short rerun can
    be compared. clock: ``(HIDDEN, HANDS)``, of NCAs that hear one.
    """
    arrays = {"weights": weights, "early": early} | ({} if clock is None else {"clock": clock})
    write_archive(path, recipe, arrays, compressed=False)


def read_start(path: Path) -> tuple[Floats, dict[str, Any]]:
    """Starting weights ``(P,)`` and their recipe from a file of ``write_start``."""
    arrays, recipe = _read(path)
    return arrays["weights"], recipe


def read_early(path: Path) -> Floats:
    """Where the recipe of a start file stood after its first rounds, ``(P,)``."""
    return _read(path)[0]["early"]


def _read(path: Path) -> tuple[dict[str, Floats], dict[str, Any]]:
    """The arrays of a start file that are asked for, checked, and the recipe."""
    arrays, recipe = read_archive(path, "start file", MADE_BY, MAX_START_BYTES)
    wrong = f"{path}: not a start file of `{MADE_BY}`"
    if "weights" not in arrays:
        raise ZooError(f"{wrong}: it holds no weights")
    flat = (rule.N_PARAMS,)
    shapes = {"weights": flat, "early": flat, "clock": (rule.HIDDEN, HANDS)}
    asked = {name: arrays[name] for name in shapes if name in arrays}
    for name, array in asked.items():
        if array.shape != shapes[name] or array.dtype != np.float32:
            raise ZooError(f"{wrong}: {name} are {array.dtype} {array.shape}")
        if not np.isfinite(array).all():
            raise ZooError(f"{wrong}: {name} are not finite")
    return asked, recipe
