"""What was chosen of the settings of a training, and what stands for the rest.

The command line and Python's ``nca_zoo.fit`` and ``nca_zoo.build`` ask here, so the same choices
train the same weights.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca_zoo.automaton.rule import TENSORS
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.motions import FILM, MORPH, MotionSettings
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.training.fronts import LOOKS
from nca_zoo.training.gate import Sows
from nca_zoo.training.init import Init, fitting_init, make_init
from nca_zoo.training.regime import REGIMES, Regime

if TYPE_CHECKING:
    from nca_zoo.pictures.image_files import Pixels
    from nca_zoo.pictures.sources import Picture, Source

AS_IS = 64  # cells a side up to which a picture stays as it is
SCALED = 40  # cells a side of a larger one, as in Distill's article
SOLO_STEPS = 1000  # at least, of an attempt: one picture may take its time to reach the gate
SLOW_LR = 7e-4  # with colours, or where most cells live, 2e-3 overshoots (docs/notes/fit.md)
FULL = 0.5  # share of the frame that is filled, from which that holds
UNTOUCHED = "persistent"  # the default regime of films and of several pictures: no wounds tried
# What a target that moves asks of a regime, at least (docs/notes/motion.md).
MOVING_STEPS, MOVING_AVERAGE, MOVING_LR, MOVING_RATE = (96, 160), 0.95, 1e-3, 1.0
WRITTEN_STEPS, WRITTEN_STOPS = 125, 27.6  # of a build, and dB, from what is written for each film
ALONE_STEPS, WEANED = 1200, 0.5  # where no clock is left, and in what part of these it falls silent
# What growing from several seeds asks of a regime, at least (docs/seeds.md).
SOWN_BATCH, SOWN_POOL, SOWN_AVERAGE, SOWN_LR, SOWN_STEPS = 6, 24, 0.95, 2e-3, 4000
SOWN_WARM, SOWN_EVERY = 60, 100
SOWN_RATE, SOWN_CA_STEPS = 1.0, (48, 64)  # what every cell takes part in spreads twice as fast
SYNCHRONOUS_RATE, SYNCHRONOUS_CA_STEPS = 1.0, (32, 48)  # likewise, where wounds are trained
PIECES = 0.1  # in what part of these growths begin amid pieces of the picture
# Where a code, or biases, alone are fitted: few numbers, which bear large steps.
FEW_LR, FEW_BATCH, FEW_HEALS = 3e-2, 3, 0.75
CODE_STEPS = 60  # of a code (docs/notes/codes.md)
# Settings of the regime that can be chosen.
OVERRIDES = ("steps", "extra_steps", "attempts", "batch", "pool", "lr", "fire_rate")
CHOICES: dict[str, Any] = {  # all that can be chosen, and what is chosen unless a person does
    "regime": None,  # that of the zoo that goes on, else DEFAULT_REGIME
    "init": None,
    "start": None,
    "alpha": None,
    "seed_at": "ink",
    "visible": "rgba",
    "engine": "auto",
    "device": "cpu",
    "seed": 0,
    "until": None,
    "until_heals": None,
    "train": None,
    "motion": None,
    "period": None,
    "clock": None,
    "seeds": None,
    "code": None,
    **dict.fromkeys(OVERRIDES),
}


@dataclass(frozen=True)
class BuildSettings:
    """What all fits of a zoo share; together with a picture it decides that picture's NCA."""

    regime: Regime
    init: Init
    target: TargetSettings = TargetSettings()
    seed: int = 0
    engine: str = "auto"
    device: str = "cpu"
    motion: MotionSettings | None = None  # None: pictures stand still

    def __post_init__(self) -> None:
        make_engine(self.engine, self.device)  # says at once what will not do
        if not 0 <= self.seed < 2**63:
            raise ZooError(f"seed is {self.seed}; it must be from 0 to 2**63 - 1")

    @property
    def engine_used(self) -> str:
        """The engine that ``auto`` stands for."""
        return make_engine(self.engine, self.device).name


Tell = Callable[[str], None]  # what a person should know, in a line


def quiet(text: str) -> None:
    """Tell nobody."""


def data_folder() -> Path:
    """Where zoos and downloads lie: ``NCA_ZOO_DATA``, or ``data`` in the current folder."""
    return Path(os.path.expanduser(os.environ.get("NCA_ZOO_DATA", "data")))


def chosen(**given: Any) -> dict[str, Any]:
    """``CHOICES`` with what was given; raises ZooError for a setting that there is not."""
    if unknown := given.keys() - CHOICES.keys():
        raise ZooError(
            f"there is no setting {sorted(unknown)[0]!r}; there are {', '.join(CHOICES)}"
        )
    if given.get("start") is not None:
        given["start"] = Path(given["start"])
    choices = CHOICES | given
    if choices["regime"] not in (None, *REGIMES):
        raise ZooError(f"there is no regime {choices['regime']!r}; there are {', '.join(REGIMES)}")
    return choices


def build_settings(
    choices: Mapping[str, Any], tell: Tell, init: str, alpha: str, **overrides: Any
) -> BuildSettings:
    """The settings that these choices, by the names of ``CHOICES``, stand for.

    Where none are made: ``init``, ``alpha``, and these settings of the regime.
    """
    choices = _with_regime(choices)
    named = {name: choices[name] for name in OVERRIDES if choices[name] is not None}
    if choices.get("code") is not None:
        overrides |= _coded(choices)
    if choices["train"] is not None:
        named["train"] = tensors(choices["train"])
        if {*named["train"]} <= {"b1", "b2"}:
            overrides |= as_few_ask(REGIMES[choices["regime"]])
    regime = dataclasses.replace(REGIMES[choices["regime"]], train=named.get("train", TENSORS))
    start, visible, code = choices["start"], choices["visible"], choices.get("code") or 0
    motion = motion_settings(choices)
    name = choices["init"] or ("meta" if code else None)
    if name is None and (motion is None or start is not None):
        name = fitting_init(regime.name, visible, start, regime.train)
    name = name or init
    moves, weaned = motion is not None, motion is not None and motion.clock == "none"
    if moves:
        asked = as_films_ask(regime, weaned, name == "written")
        if weaned and "steps" in overrides:  # as many as with a clock are left without one
            overrides |= {"steps": max(int(overrides["steps"] / WEANED), asked["steps"])}
        overrides = asked | overrides | {"lr": asked["lr"]}  # a still in colours asks for less
    if sown := _sown(choices):
        asked = as_seeds_ask(regime, choices["seeds"], choices["fire_rate"], moves)
        overrides = asked | {"lr": min(overrides.get("lr", SOWN_LR), SOWN_LR)}
    if not (moves or sown) and in_step(regime, choices["fire_rate"]):
        overrides = as_synchrony_asks() | overrides
    if choices["batch"] is not None:
        regime = regime.of_batch(choices["batch"])
    regime = dataclasses.replace(regime, **overrides | named)
    ends = regime.steps + regime.extra_steps
    if regime.seeds > 1:
        regime = dataclasses.replace(
            regime, schedule="cosine", decay_at=ends, pieces=int(PIECES * ends)
        )
    if moves and (weaned or name != "written"):  # else steps are few: none is small
        regime = dataclasses.replace(regime, schedule="cosine", decay_at=ends)
    if weaned:
        regime = dataclasses.replace(regime, weaned=int(WEANED * ends))
    gate = regime.gate.until(choices["until"], choices["until_heals"])
    regime = dataclasses.replace(regime, gate=gate)
    target = TargetSettings(choices["alpha"] or alpha, choices["seed_at"], visible)  # type: ignore[arg-type]
    seed = choices["seed"]
    which = name, regime.name, seed, start, visible, moves, code, regime.train
    first = make_init(*which, sown=sown)
    if first.one_rule is not None and regime.train != TENSORS:
        _lives_as_learnt(first.one_rule.recipe, regime)
    if start is not None and first.visible != visible:
        tell(
            f"{start} was learnt with --visible {first.visible}, and this is {visible}: "
            "training takes longer from there"
        )
    return BuildSettings(regime, first, target, seed, choices["engine"], choices["device"], motion)


def _lives_as_learnt(recipe: Mapping[str, Any], regime: Regime) -> None:
    """Raises ZooError if NCAs of one rule, which is fitted to no picture, would not live as it did
    when it was learnt."""
    for name in ("seed_hidden", "fire_rate"):
        learnt, asked = recipe.get(name), getattr(regime, name)
        if learnt != asked:
            raise ZooError(
                f"the rule of this start was learnt with {name} {learnt}, and this build has "
                f"{asked}; build with the regime {recipe.get('regime')} and its settings"
            )


def tensors(text: str) -> tuple[str, ...]:
    """The tensors that a person names, ``"b1,b2"``; what is none of them the regime refuses."""
    if named := tuple(name.strip() for name in text.split(",") if name.strip()):
        return named
    raise ZooError(f"train is {text!r}; it must be some of {', '.join(TENSORS)}")


def as_films_ask(regime: Regime, weaned: bool = False, written: bool = False) -> dict[str, Any]:
    """What changes in a regime where targets move: it looks along the way, on which there is more
    than one round, and leaves less to chance. Cells that wait for their turn lag behind.

    weaned: from a clock, which takes its time. written: begun at what is written for each film.
    """
    asked = {
        "loss": "late" if regime.loss == "final" else regime.loss,
        "average": max(regime.average, MOVING_AVERAGE),
        "fire_rate": MOVING_RATE,
        "lr": MOVING_LR,
        "attempts": 1,
        "ca_steps": MOVING_STEPS,
    }
    if weaned:
        return asked | {"steps": max(regime.steps, ALONE_STEPS), "extra_steps": 0}
    if written:
        ends = regime.gate.until(max(WRITTEN_STOPS, regime.gate.criteria[0].stops))
        return asked | {"steps": WRITTEN_STEPS, "extra_steps": 0, "gate": ends}
    return asked


def as_seeds_ask(
    regime: Regime, seeds: int, fire_rate: float | None = None, moves: bool = False
) -> dict[str, Any]:
    """What changes in a regime whose NCAs grow from up to so many seeds: there is more to learn,
    less is left to chance, which moves what is told of places, and the gate looks at it.

    fire_rate: the one that is asked for, if one is. Raises ZooError for targets that move.
    """
    rate = SOWN_RATE if fire_rate is None else fire_rate
    if moves:
        raise ZooError("several seeds grow what stands still: leave out --seeds or --motion")
    return {
        "seeds": seeds,
        "fire_rate": rate,
        # cells that wait for their turn take longer
        "ca_steps": SOWN_CA_STEPS if rate == SOWN_RATE else regime.ca_steps,
        "looks": LOOKS,
        "batch": max(regime.batch, SOWN_BATCH),
        "pool": regime.pool and max(regime.pool, SOWN_POOL),
        "average": max(regime.average, SOWN_AVERAGE),
        "lr": SOWN_LR,
        "warm": SOWN_WARM,
        "steps": SOWN_STEPS,
        "extra_steps": 0,
        "attempts": 1,
        "gate": dataclasses.replace(regime.gate, sows=Sows(), check_every=SOWN_EVERY),
    }


def as_few_ask(regime: Regime) -> dict[str, Any]:
    """What changes in a regime where few numbers are fitted, under a rule that heals: large steps,
    which bear few wounds and do not heal as many, and one attempt."""
    asked: dict[str, Any] = {"lr": FEW_LR, "attempts": 1}
    if regime.damaged:
        ends = regime.gate.until(heals=FEW_HEALS)
        asked |= {"batch": FEW_BATCH, "damaged": 1, "gate": ends}
    return asked


def in_step(regime: Regime, fire_rate: float | None) -> bool:
    """Whether every cell fires in every step of NCAs that are trained on wounds."""
    return bool(regime.damaged) and fire_rate == SYNCHRONOUS_RATE


def as_synchrony_asks() -> dict[str, Any]:
    """What changes in a regime with wounds where every cell fires in every step."""
    return {"fire_rate": SYNCHRONOUS_RATE, "ca_steps": SYNCHRONOUS_CA_STEPS, "looks": LOOKS}


def as_starts_ask(regime: Regime) -> dict[str, Any]:
    """What changes in a regime where a start for it is learnt: what is wounded is looked at on the
    way, which fits that begin there need no more (docs/notes/healing.md)."""
    return {"looks": LOOKS} if regime.damaged else {}


def _coded(choices: Mapping[str, Any]) -> dict[str, Any]:
    """What changes in a regime where a code is all that is fitted; a second attempt would begin
    where the first did."""
    if choices["code"] < 1:
        raise ZooError(f"a code of {choices['code']} numbers; it must be 1 or more")
    for other in ("motion", "train"):
        if choices.get(other) is not None:
            raise ZooError(f"--code fits the codes of still pictures alone; leave --{other} out")
    if _sown(choices):
        raise ZooError("NCAs of one rule grow from one seed each; leave --seeds or --code out")
    few = as_few_ask(REGIMES[choices["regime"]])
    return few | {"train": (), "steps": CODE_STEPS, "extra_steps": 0}


def as_it_moves(
    choices: Mapping[str, Any], picture: "Picture", other: "Picture | None" = None
) -> "tuple[dict[str, Any], Picture]":
    """The choices, and the picture, of one that may be a film, or is to become an ``other``.

    Raises ZooError for two motions at once.
    """
    from nca_zoo.pictures.films import paired

    if not picture.frames and other is None:
        return dict(choices), picture
    if other is not None and (picture.frames or other.frames):
        raise ZooError("a morph is from one picture to another, and one of these is a film")
    if choices.get("motion") is not None:
        what = f"{picture.id} is a film and moves" if picture.frames else "a morph moves"
        raise ZooError(f"{what} already; leave --motion {choices['motion']} out")
    if other is None:
        return dict(choices) | {"motion": FILM}, picture
    return dict(choices) | {"motion": MORPH}, paired(picture, other)


def motion_settings(choices: Mapping[str, Any]) -> MotionSettings | None:
    """How targets move, if they do; raises ZooError for a period or a clock where nothing moves."""
    told = {name: choices[name] for name in ("period", "clock") if choices.get(name) is not None}
    if choices.get("motion") is not None:
        return MotionSettings(choices["motion"], **told)
    if told:
        raise ZooError(f"--{min(told)} is for targets that move; give --motion, or a film to fit")
    return None


def zoo_settings(choices: Mapping[str, Any], tell: Tell = quiet) -> BuildSettings:
    """``build_settings`` of a whole zoo, a new one (``going_on.settings_for``)."""
    choices = _with_regime(choices)
    writeup = choices["regime"] == "writeup"
    return build_settings(
        choices,
        tell,
        init="independent" if writeup else "meta",
        alpha="opaque" if writeup else "ink",
    )


def solo_settings(
    choices: Mapping[str, Any], pixels: "Pixels", tell: Tell = quiet
) -> BuildSettings:
    """``build_settings`` of what trains on one picture."""
    choices = _with_regime(choices)
    defaults = solo_defaults(pixels, choices["regime"], choices["visible"])
    return build_settings(choices, tell, **defaults)


def _with_regime(choices: Mapping[str, Any]) -> dict[str, Any]:
    """The choices with a regime: where targets move, or grow from several seeds, without wounds."""
    usual = UNTOUCHED if _sown(choices) or choices.get("motion") is not None else DEFAULT_REGIME
    return {**choices, "regime": choices["regime"] or usual}


def _sown(choices: Mapping[str, Any]) -> bool:
    """Whether NCAs are to grow from several seeds."""
    return choices.get("seeds") not in (None, 1)


def solo_defaults(pixels: "Pixels", regime: str, visible: str = "rgba") -> dict[str, Any]:
    """What ``solo_settings`` chooses for a picture's pixels, as ``build_settings`` takes it."""
    ink = pixels if pixels.ndim == 2 else pixels[..., 3]
    if regime == "writeup":
        transparent = pixels.ndim == 3 and int(ink.min()) < 255
        return {"init": "independent", "alpha": "ink" if transparent else "opaque"}
    coloured = pixels.ndim == 3 and visible == "rgba"
    slow = coloured or float(ink.mean()) / 255 >= FULL
    steps = max(SOLO_STEPS, REGIMES[regime].steps)
    return {"init": "meta", "alpha": "ink", "steps": steps} | ({"lr": SLOW_LR} if slow else {})


def picture_to_fit(
    path: Path, size: int | None, tell: Tell = quiet, scale: float | None = None
) -> "tuple[Source, Picture]":
    """The picture in a file, scaled if it is asked for or has too many pixels to be cells.

    Of an animated file, or a folder of frames, with its ``frames``.
    """
    from nca_zoo.pictures.films import film_size, is_film, load_film
    from nca_zoo.pictures.sources import load_picture

    moves = is_film(path)
    width, height = film_size(path)
    cells = size or cells_for(width, height)
    if cells != size:
        tell(
            f"{path} has {width} x {height} pixels; scaled to {SCALED} x {SCALED} cells "
            f"(--size chooses another number)"
        )
    return (load_film if moves else load_picture)(path, cells, scale)


def cells_for(width: int, height: int) -> int | None:
    """Cells a side that a single picture is scaled to unless a person says; None: as it is."""
    return SCALED if max(height, width) > AS_IS else None
