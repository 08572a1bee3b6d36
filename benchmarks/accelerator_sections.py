"""What `accelerator.py` measures, a function a section: each prints Markdown as it finds things.

Nothing is imported here but torch, numpy and what the trainer needs: no pictures' libraries.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from report import table

from nca_zoo.automaton import noise, rule
from nca_zoo.automaton.noise import Stream, fit_seed, fold
from nca_zoo.life.engines import Automata, Engine, Gradients, make_engine
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.engines.goals import at_the_end
from nca_zoo.life.engines.lockstep import Lockstep, Shape
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.targets import Target, make_target
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.trainer import Fit, train

SIDE = 28
FORWARD = 2 * (rule.PERCEPTION * rule.HIDDEN + rule.HIDDEN * rule.CHANNELS)  # operations a cell
USEFUL = 3 * FORWARD  # forward, and twice that back
AGAIN = 2 * rule.PERCEPTION * rule.HIDDEN  # the first layer, computed again on the way back
CLOSE = {
    "losses": 1e-4,
    "gradients": 1e-2,
    "states": 1e-2,
    "biases": 1e-2,
}  # relative, median over NCAs


@dataclass(frozen=True)
class Plan:
    """What is asked: sizes small for a trial, and until when (``time.monotonic``)."""

    device: str
    engines: tuple[str, ...]
    digits: Path
    ncas: tuple[int, ...]
    batches: tuple[int, ...]
    builds: tuple[int, ...]
    ca_steps: int
    until: float

    @property
    def left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()


def say(text: str) -> None:
    """A paragraph, a table or a row, at once: what is cut keeps what it had."""
    print(text, flush=True)


def engines(plan: Plan) -> dict[str, Callable[[], Engine]]:
    """What is measured: ``dense``, ``fused``, and ``fused:tf32`` for another precision."""

    def made(name: str) -> Engine:
        kind, _, precision = name.partition(":")
        if kind == "fused":
            from nca_zoo.life.engines.fused import FusedEngine

            return FusedEngine(plan.device, precision=precision or "ieee")
        return make_engine(kind, plan.device)

    return {name: partial(made, name) for name in plan.engines}


def targets(plan: Plan, n: int) -> list[Target]:
    """Digits, from the cache that any command of nca-zoo leaves; else strokes that look so."""
    if plan.digits.exists():
        with np.load(plan.digits, allow_pickle=False) as arrays:
            images = arrays["images"]
        return [make_target(images[i % len(images)]) for i in range(n)]
    return [make_target(stroke(number)) for number in range(n)]


def stroke(number: int) -> np.ndarray:
    """A bent line as thick as a digit's, uint8 (28, 28): around a tenth of the cells."""
    corner = np.array([[4, 8], [8, 6], [18, 8]])  # rows and columns, least; from above to below
    knots = corner + noise.uniform(number, 6).reshape(3, 2) * [[5, 12], [12, 16], [5, 12]]
    ways = np.linspace(0, 1, 40)[:, None]
    line = (1 - ways) ** 2 * knots[0] + 2 * ways * (1 - ways) * knots[1] + ways**2 * knots[2]
    rows, cols = np.mgrid[:SIDE, :SIDE]
    off = np.hypot(rows[..., None] - line[:, 0], cols[..., None] - line[:, 1]).min(axis=-1)
    return (255 * np.clip(2.3 - off, 0, 1)).astype(np.uint8)


def call_of(plan: Plan, k: int, batch: int, steps: int | None = None) -> tuple:
    """Arguments of ``Engine.gradients``: k NCAs from the default start, from their seeds."""
    grown = targets(plan, min(k, 64))
    some = [grown[i % len(grown)] for i in range(k)]
    first = make_init("meta", "persistent")
    weights = np.stack([first.weights(i % 64, 0) for i in range(k)]).astype(np.float32)
    seeds = np.stack([rule.seed_state(SIDE, SIDE, t.seed_row, t.seed_col) for t in some])
    keys = fold(fold(np.arange(k, dtype=np.uint64), Stream.TRAIN_MASKS)[:, None], np.arange(batch))
    ncas = Automata(weights, seeds, keys)
    ca_steps = np.full(k, steps or plan.ca_steps)
    goals = at_the_end(np.stack([t.trained for t in some]), ca_steps, batch)
    return ncas, ncas.starts(), goals, ca_steps


def off_by(found: Gradients, expected: Gradients) -> dict[str, np.ndarray]:
    """Relative distances of losses, gradients and final states, an NCA each."""
    return {
        name: np.linalg.norm((a - b).reshape(len(a), -1), axis=1)
        / np.maximum(np.linalg.norm(b.reshape(len(b), -1), axis=1), 1e-30)
        for name, a, b in zip(expected._fields, found, expected, strict=True)
    }


def wait(plan: Plan) -> None:
    """For the device."""
    if plan.device.startswith("cuda"):
        torch.cuda.synchronize(plan.device)


def checks(plan: Plan) -> None:
    """What tests cannot see without the device: nothing waits, and the split changes no bit."""
    arguments = call_of(plan, 5, 2, 12)
    exact = DenseEngine("cpu", torch.float64).gradients(*arguments)
    there = DenseEngine(plan.device, torch.float64)
    there.gradients(*arguments)
    cuda = plan.device.startswith("cuda")
    if cuda:
        torch.cuda.set_sync_debug_mode("error")  # a step that asks the device for a value fails
    try:
        found = there.gradients(*arguments)
    finally:
        if cuda:
            torch.cuda.set_sync_debug_mode("default")
    worst = max(float(part.max()) for part in off_by(found, exact).values())
    verdict("dense, float64, as on the CPU; nothing waits" * cuda or "dense, float64", worst, 1e-9)
    for name, make in engines(plan).items():
        try:
            checks_of(name, make(), arguments)
        except Exception as error:  # of one engine: the others go on
            say(f"- FAILED: {name}: {one_line(error)}")


def checks_of(name: str, engine: Engine, arguments: tuple) -> None:
    """The same call again, and in parts, and a rollout."""
    whole, again = engine.gradients(*arguments), engine.gradients(*arguments)
    same = all(np.array_equal(a, b) for a, b in zip(whole, again, strict=True))
    say(f"- {'ok' if same else 'DIFFERS'}: {name}, the same call twice, bit for bit")
    engine.chunk_cells = 3 * SIDE * SIDE  # type: ignore[attr-defined]
    parts = engine.gradients(*arguments)
    worst = max(float(part.max()) for part in off_by(parts, whole).values())
    verdict(f"{name}, in chunks of three rollouts", worst, 0.0 if "fused" in name else 1e-3)
    walked = engine.rollout(arguments[0], arguments[1], 3, 100)
    walk = SparseEngine().rollout(arguments[0], arguments[1], 3, 100)
    error = float(np.median(np.abs(walked - walk).max(axis=(1, 2, 3, 4))))
    verdict(f"{name}, 100 CA steps as of the sparse engine", error, 1e-2)


def verdict(what: str, off: float, allowed: float) -> None:
    """One line of a check."""
    say(f"- {'ok' if off <= allowed else 'OFF'}: {what}: {off:.1e} (allowed {allowed:.0e})")


def parity(plan: Plan) -> None:
    """The same training steps on every engine, against the sparse one."""
    arguments = call_of(plan, 16, 2)
    expected = SparseEngine().gradients(*arguments)
    head = ["relative distance, median / worst of 16 NCAs", *expected._fields, ""]
    say(table(head, []))
    for name, make in {"dense on the CPU": DenseEngine, **engines(plan)}.items():
        try:
            off = off_by(make().gradients(*arguments), expected)
        except Exception as error:
            say(f"| {name} | {one_line(error)} | | | failed |")
            continue
        cells = [f"{np.median(part):.0e} / {part.max():.0e}" for part in off.values()]
        good = all(np.median(part) <= CLOSE[key] for key, part in off.items())
        say(f"| {name} | {' | '.join(cells)} | {'ok' if good else 'OFF'} |")


def one_line(error: BaseException) -> str:
    """An error in a cell of a table."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}".replace("|", "/")


def timed(run: Callable[[], object], repeats: int = 3) -> tuple[float, float]:
    """Seconds of the first call, which compiles, and the best of some more."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return seconds[0], min(seconds[1:])


def steps(plan: Plan) -> None:
    """Seconds a training step against the number of NCAs and the batch, and bytes."""
    head = ["engine", "NCAs", "batch", "s a step", "ms an NCA", "of which on the device", "first"]
    say(table([*head, "GB of the device"], []))
    for name, make in engines(plan).items():
        for batch in plan.batches:
            longest = 0.0
            for k in plan.ncas:
                if 6 * longest > plan.left:  # the next takes some eight times as long
                    say(f"| {name} | {k:,} | {batch} | left out: no time | | | | |")
                    continue
                try:
                    longest = step_row(plan, name, make(), k, batch)
                except Exception as error:
                    say(f"| {name} | {k:,} | {batch} | {one_line(error)} | | | | |")


def step_row(plan: Plan, name: str, engine: Engine, k: int, batch: int) -> float:
    """One row of ``steps``; the seconds that all of it took."""
    began = time.monotonic()
    arguments, cuda = call_of(plan, k, batch), plan.device.startswith("cuda")
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(plan.device)
    first, best = timed(lambda: engine.gradients(*arguments), 2)
    most = torch.cuda.max_memory_allocated(plan.device) / 1e9 if cuda else float("nan")
    lockstep, looks, n = loaded(engine, arguments)
    _, alone = timed(lambda: (lockstep.differentiate(looks), wait(plan)), 2)
    on_device = alone * k * batch / n
    say(
        f"| {name} | {k:,} | {batch} | {best:.4f} | {1e3 * best / k:.3f} | {on_device:.4f} s | "
        f"{first:.1f} s | {most:.2f} |"
    )
    return time.monotonic() - began


@torch.no_grad()
def loaded(engine: Engine, arguments: tuple) -> tuple[Lockstep, np.ndarray, int]:
    """The first chunk of a call on the device, ready to be differentiated, and its rollouts."""
    assert isinstance(engine, DenseEngine)
    ncas, states, goals, ca_steps = arguments
    k, b = ncas.keys.shape
    steps = -(-int(ca_steps.max()) // 32) * 32
    goal = goals.frames.shape[1], goals.channels
    n = min(engine.chunk(*ncas.grid, steps, goal), k * b)
    lockstep = engine._lockstep(Shape(n, *ncas.grid, steps, *goal))
    nca = np.arange(n) // b
    flat = states.reshape(-1, *states.shape[2:])
    biases, hears = ncas.hearing()
    heard = biases[nca], hears.reshape(k * b, -1)[:n]
    lockstep.load(ncas.weights[nca], flat[:n], ncas.keys.ravel()[:n], heard, ca_steps[nca])
    looks = lockstep.aim(goals.frames[nca], goals.when.reshape(k * b, -1)[:n])
    return lockstep, looks, n


def rates(plan: Plan, side: int, copied: int) -> dict[str, float]:
    """The device's own: operations a second of a large product, bytes a second of a copy."""
    a, b = torch.randn(2, side, side, device=plan.device)
    found = {}
    for name, allowed in (("float32", False), ("TF32", True)):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        seconds = timed(lambda: (a @ b, wait(plan)), 5)[1]
        found[name] = 2 * side**3 / seconds
    torch.backends.cuda.matmul.allow_tf32 = False
    source = torch.zeros(copied, dtype=torch.uint8, device=plan.device)
    to = torch.empty_like(source)
    found["memory"] = 2 * copied / timed(lambda: (to.copy_(source), wait(plan)), 5)[1]
    return found


def roofline(plan: Plan) -> None:
    """Operations and bytes of one chunk's step against what the device can do."""
    cuda = plan.device.startswith("cuda")
    own = rates(plan, 8192 if cuda else 256, 2**30 if cuda else 2**22)
    said = [f"{own['float32'] / 1e12:.2f} Tflop/s in float32, {own['TF32'] / 1e12:.2f} in TF32"]
    say(f"The device's own rates: {said[0]}, {own['memory'] / 1e9:.0f} GB/s (read and written).\n")
    head = ["engine", "rollouts", "ms", "useful Gflop", "computed Gflop", "useful / float32"]
    say(table([*head, "computed / float32", "computed / TF32", "state bytes / memory"], []))
    for name, make in engines(plan).items():
        arguments = call_of(plan, plan.ncas[-1], plan.batches[0])
        lockstep, looks, n = loaded(make(), arguments)
        seconds = timed(lambda at=lockstep, due=looks: (at.differentiate(due), wait(plan)))[1]
        lit = useful_cells(arguments, min(n, 16)) * n / min(n, 16)
        cells = lit if "fused" in name else n * SIDE * SIDE * plan.ca_steps
        useful, computed = lit * USEFUL, cells * (USEFUL + AGAIN)
        states = 3 * 4 * rule.CHANNELS * n * SIDE * SIDE * plan.ca_steps  # write, read, read back
        parts = (useful / own["float32"], computed / own["float32"], computed / own["TF32"])
        shares = [f"{100 * part / seconds:.1f} %" for part in (*parts, states / own["memory"])]
        sizes = f"{1e3 * seconds:.1f} | {useful / 1e9:.2f} | {computed / 1e9:.2f}"
        say(f"| {name} | {n:,} | {sizes} | {' | '.join(shares)} |")


def useful_cells(arguments: tuple, rollouts: int) -> int:
    """Living cells that fire, over all steps of the first rollouts: by the plain rule's masks."""
    ncas, states, _, ca_steps = arguments
    k, b = ncas.keys.shape
    some = min(k, -(-rollouts // b))
    engine, now, found = SparseEngine(), states[:some], 0
    for t in range(int(ca_steps[0])):
        fires = noise.fire_mask(ncas.keys[:some], t, *ncas.grid)
        found += int(np.count_nonzero((fires & rule.alive(now)).reshape(some * b, -1)[:rollouts]))
        now = engine.rollout(ncas[:some], now, t, 1)
    return found


class Clock:
    """An engine that adds up the seconds of its calls."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seconds = engine, {"gradients": 0.0, "rollout": 0.0}

    def __getattr__(self, name: str):
        found = getattr(self.engine, name)
        if name not in self.seconds:
            return found

        def run(*arguments):
            began = time.perf_counter()
            answer = found(*arguments)
            self.seconds[name] += time.perf_counter() - began
            return answer

        return run


def jobs(plan: Plan, n: int) -> Iterator[Job]:
    """Default fits of so many pictures."""
    first = make_init("meta", "persistent")
    for number, target in enumerate(targets(plan, n)):
        yield Job(str(number), target, first, fit_seed(0, str(number)))


def build(plan: Plan) -> None:
    """Training through the gate, as ``nca-zoo build --device`` does it but for the file."""
    what = "digits" if plan.digits.exists() else "strokes (no digits.npz here)"
    head = [what, "engine", "done", "s", "in gradients", "in rollouts", "on the host"]
    say(table([*head, "ok", "dB at 96 / 400", "steps"], []))
    for n in plan.builds:
        for name, make in engines(plan).items():
            if plan.left < 5:
                say(f"| {n:,} | {name} | left out: no time | | | | | | | |")
                continue
            try:
                build_row(plan, name, Clock(make()), n)
            except Exception as error:
                say(f"| {n:,} | {name} | {one_line(error)} | | | | | | | |")


def build_row(plan: Plan, name: str, engine: Clock, n: int) -> None:
    """One row of ``build``; what is not done in time is judged as it is."""
    share = plan.left / 2
    until, began = time.monotonic() + share, time.perf_counter()
    fits: list[Fit] = []
    regime, cohort = REGIMES["persistent"], min(n, 1024)
    training = train(
        jobs(plan, n),
        regime,
        engine,
        cohort,
        watch=lambda _: time.monotonic() > until,  # type: ignore[arg-type]
    )
    fits.extend(training)
    seconds = time.perf_counter() - began
    parts = [*engine.seconds.values(), seconds - sum(engine.seconds.values())]
    done = [fit for fit in fits if fit.status == "ok"]
    dbs = [np.median([getattr(fit, f"psnr_{at}") for fit in fits]) for at in (96, 400)]
    steps = np.mean([fit.train_steps for fit in fits])
    say(
        f"| {n:,} | {name} | {len(fits):,} | {seconds:.1f} | "
        f"{' | '.join(f'{part:.1f}' for part in parts)} | {100 * len(done) / len(fits):.1f} % | "
        f"{dbs[0]:.1f} / {dbs[1]:.1f} | {steps:.0f} |"
    )


SECTIONS: dict[str, tuple[Callable[[Plan], None], float]] = {  # and the share of the time
    "checks": (checks, 0.25),  # kernels are compiled here
    "parity": (parity, 0.1),
    "build": (build, 0.35),
    "steps": (steps, 0.2),
    "roofline": (roofline, 0.1),
}
