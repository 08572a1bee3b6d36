"""A diary of one NCA in training: what it grows after so many training steps, attempt by attempt.

A ``Diary`` is a watcher of ``trainer.train``: it looks, and changes nothing.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from nca_zoo.automaton.record import rollout_keys
from nca_zoo.life.engines import Floats
from nca_zoo.life.quality import GROWN, measure
from nca_zoo.training.cohort import Cohort, Member
from nca_zoo.training.trainer import Fit

LOOK_EVERY = 10  # training steps; a look costs about a tenth of a training step


@dataclass(frozen=True, eq=False)
class Page:
    """What an NCA grows after ``step`` training steps of its ``attempt``, counted from 0."""

    attempt: int
    step: int
    grown: Floats  # (H, W, 4) at CA step 96 of rollout seed 0, as the gate judges it
    psnr_96: float  # dB


def _hear(attempt: int, step: int, loss: float, page: Page | None) -> None:
    """Hear of a training step and of the page that was written after it, if any."""


@dataclass
class Diary:
    """Rolls the NCA out before training, after every tenth step, and after those to be kept.

    keep: training steps whose pages stay in ``pages``; without it 0, 10, 20, 50, 100, 200, 500 ...
    tell: hears of every training step: attempt, step, loss, and the page or None.
    stop: asked after every training step; True ends the training.
    """

    keep: Collection[int] | None = None
    tell: Callable[[int, int, float, Page | None], None] = _hear
    stop: Callable[[], bool] = bool  # which is False
    pages: list[Page] = field(default_factory=list)
    _losses: dict[int, list[float]] = field(default_factory=dict)  # of every attempt

    def __call__(self, cohort: Cohort) -> bool:
        """Look at the one NCA of ``cohort`` after a training step."""
        (member,) = cohort.members
        self._losses[member.attempt] = member.losses
        if member.step == 1:
            self._write(cohort, member, 0, member.job.start(member.attempt))
        page = None
        if member.step % LOOK_EVERY == 0 or self._keeps(member.step):
            page = self._write(cohort, member, member.step, cohort.averages[0].copy())
        self.tell(member.attempt, member.step, member.losses[-1], page)
        return self.stop()

    def of(self, fit: Fit) -> list[Page]:
        """The kept pages of the attempt that became ``fit``, and its last."""
        attempt = next(n for n, losses in self._losses.items() if losses is fit.losses)
        last = Page(attempt, len(fit.losses), fit.grown, fit.psnr_96)
        return [p for p in self.pages if p.attempt == attempt and p.step < last.step] + [last]

    def _keeps(self, step: int) -> bool:
        if self.keep is not None:
            return step in self.keep
        return re.fullmatch("0|[125]0+", str(step)) is not None

    def _write(self, cohort: Cohort, member: Member, step: int, weights: Floats) -> Page:
        first = np.zeros((1, 1), np.int32)
        nca = cohort.running(weights[None], rollout_keys(0, 1), first)
        due = partial(cohort.due, 0)
        look = measure(cohort.engine, nca, due, [GROWN], period=cohort.period)[GROWN.name]
        page = Page(member.attempt, step, look.pictures[0], float(look.psnr[0]))
        if self._keeps(step):
            self.pages.append(page)
        return page
