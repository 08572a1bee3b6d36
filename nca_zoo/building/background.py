"""Fitting one NCA on a thread of its own, so that a window stays alive meanwhile."""

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from nca_zoo.building.settings import BuildSettings
from nca_zoo.building.solo import fit_alone
from nca_zoo.errors import ZooError
from nca_zoo.training.cohort import Job
from nca_zoo.training.diary import Diary, Page
from nca_zoo.training.trainer import Fit


@dataclass(frozen=True)
class Step:
    """A training step was taken; ``page`` is what the NCA grows now, every tenth time."""

    attempt: int
    step: int
    loss: float
    page: Page | None


class BackgroundFit:
    """Begins at once; ``news`` tells what has happened since it was last asked."""

    def __init__(self, job: Job, settings: BuildSettings, threads: int = 1) -> None:
        self._news: SimpleQueue[Step | Fit | ZooError] = SimpleQueue()
        self._stop = threading.Event()
        # A daemon: closing the window may end the process in the middle of a training step.
        self._thread = threading.Thread(
            target=self._work, args=(job, settings, threads), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the training after the step in work; the fit as it is then comes as news."""
        self._stop.set()

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end, at most so long."""
        self._thread.join(seconds)

    def news(self) -> list[Step | Fit | ZooError]:
        """Steps since last time, and at the very end the fit, or the error that prevented it."""
        told: list[Step | Fit | ZooError] = []
        while True:
            try:
                told.append(self._news.get_nowait())
            except Empty:
                return told

    def _work(self, job: Job, settings: BuildSettings, threads: int) -> None:
        diary = Diary(tell=lambda *step: self._news.put(Step(*step)), stop=self._stop.is_set)
        try:
            self._news.put(fit_alone(job, settings, threads, diary))
        except ZooError as error:
            self._news.put(error)
        except Exception as error:  # a thread's traceback reaches nobody
            self._news.put(ZooError(f"training failed: {error or type(error).__name__}"))
