"""Where tasks run: in this process, in worker processes here, or on a Dask cluster.

The same code for all three, through joblib. A worker that dies costs the tasks that it was running,
which are run again elsewhere; a task must therefore give the same result every time.
"""

import logging
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from itertools import takewhile
from queue import Empty, Queue
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from nca_zoo.errors import ZooError
from nca_zoo.ground.children import isolated_children

SAME = ("nca-zoo", "numpy", "numba")  # versions that decide the last bit of a result
DEATHS = 3  # of workers in a row, without a result between them, until we give up
ROOM_S = 0.01  # how often to look whether results were taken
LOOK_S = 0.5  # how often to look whether a cluster is still there
AHEAD = 1000  # tasks handed to a cluster at a time: enough for workers that join later
BACKLOG = 100  # results of a cluster that wait to be taken before no more tasks are handed to it
ANSWER_S = 10  # how long to wait for the scheduler of a cluster

LOST = "the cluster's scheduler is gone; once there is one, the same command goes on from here"

Task = tuple[Any, ...]  # the arguments of one call


def run(
    function: Callable[..., Any], tasks: Iterable[Task], workers: int = 1, client: Any = None
) -> Iterator[Any]:
    """``function(*task)`` of every task, in the order in which they finish.

    workers: processes on this machine, 1 for this very process. client: of ``cluster``, whose
    workers then do it. Tasks are taken from the iterator shortly before they run, so that it may
    make them; besides those in flight nothing is kept.

    Raises ZooError if workers keep dying, and if a cluster is lost or its workers have other
    versions of the code. What ``function`` raises is raised here.
    """
    waiting = enumerate(tasks)
    flying: dict[int, Task] = {}
    deaths = 0
    while True:
        again = list(flying.items())
        calls = _calls(function, again, waiting, flying, client)
        results = _local(workers, calls) if client is None else _remote(client, calls)
        try:
            for number, result in results:
                del flying[number]
                deaths = 0
                yield result
            return
        except TerminatedWorkerError:
            deaths += 1
            if deaths == DEATHS:
                raise ZooError(
                    f"{deaths} times in a row a worker was killed before it finished anything, "
                    "most likely for want of memory: use fewer --jobs, or a smaller --cohort"
                ) from None
        except Exception as error:
            raise _explained(error, client) from None
        finally:
            with warnings.catch_warnings():  # joblib warns of the tasks that are then cancelled
                warnings.simplefilter("ignore", UserWarning)
                results.close()


def _calls(
    function: Callable[..., Any],
    again: Iterable[tuple[int, Task]],
    waiting: Iterable[tuple[int, Task]],
    flying: dict[int, Task],
    client: Any,
) -> Iterator[Any]:
    """joblib's calls, first of what was in flight when a worker died; notes what takes off."""
    same = {name: version(name) for name in SAME} if client else {}
    for source in (again, waiting):
        for number, task in source:
            flying[number] = task
            yield delayed(_call)(function, number, task, os.getpid(), same)


def _call(
    function: Callable[..., Any], number: int, task: Task, head: int, same: dict[str, str]
) -> tuple[int, Any]:
    """One task, on a worker."""
    # Ctrl-C is for the head, which then ends its workers.
    if os.getpid() != head and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, wanted in same.items():
        if (found := version(name)) != wanted:
            raise ZooError(
                f"a worker of the cluster has {name} {found}, and this machine {wanted}: "
                "install the same on both"
            )
    return number, function(*task)


def _local(workers: int, calls: Iterable[Any]) -> Generator[Any]:
    with isolated_children():
        yield from Parallel(
            workers, return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1
        )(calls)


def _remote(client: Any, calls: Iterable[Any]) -> Generator[Any]:
    """The results of a cluster; raises ZooError once its scheduler is lost.

    joblib would wait for ever for a scheduler that died, and for a task that Dask gave up. So a
    thread waits for joblib, and we for the thread, with an eye on the client and on every task.
    And joblib would hand out tasks as fast as they are done, and keep the results of all if they
    are taken slowly. So another thread tells it that a task is done, once there is room.
    """
    from joblib._dask import DaskDistributedBackend

    found: Queue[tuple[str, Any]] = Queue()
    done: Queue[Callable[[], None] | None] = Queue()
    over = threading.Event()

    def tell() -> None:
        while told := done.get():
            while found.qsize() > BACKLOG and not over.is_set():
                time.sleep(ROOM_S)
            try:
                told()  # and so have the next one made
            except Exception as error:
                found.put(("error", error))

    def given_up(future: Future[Any]) -> None:
        if error := future.exception():
            found.put(("error", error))

    class Cluster(DaskDistributedBackend):
        def effective_n_jobs(self, n_jobs: int) -> int:
            return AHEAD  # for a single worker joblib would do the work here

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, lambda result: done.put(partial(callback, result)))
            future.add_done_callback(given_up)
            return future

    def wait() -> None:
        try:
            with parallel_config(Cluster(client=client)):
                pool = Parallel(
                    -1, return_as="generator_unordered", pre_dispatch=AHEAD, batch_size=1
                )
                for result in pool(takewhile(lambda _: not over.is_set(), calls)):
                    found.put(("result", result))
            found.put(("end", None))
        except Exception as error:
            found.put(("error", error))
        finally:
            done.put(None)

    for thread in (wait, tell):
        threading.Thread(target=thread, daemon=True).start()
    try:
        while True:
            try:
                kind, value = found.get(timeout=LOOK_S)
            except Empty:
                if client.status not in ("running", "connecting"):
                    raise ZooError(LOST) from None
                continue
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        over.set()


def _explained(error: Exception, client: Any) -> Exception:
    """A ZooError for what is wrong with a cluster; any other error as it is."""
    if client is None or isinstance(error, ZooError):
        return error
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return ZooError(
            "the same NCAs were on each of several workers of the cluster that died, most likely "
            "for want of memory: give the workers more, or use a smaller --cohort"
        )
    if client.status != "running":
        return ZooError(LOST)
    if isinstance(error, ModuleNotFoundError) or "deserialization" in str(error):
        return ZooError(
            "the cluster's scheduler or a worker cannot load nca-zoo: install the same version on "
            f"all machines ({_line(error)})"
        )
    return error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """A ``distributed.Client`` for ``local:4``, four processes here, or ``tcp://host:8786``.

    A local cluster ends with the context; one at an address stays. Raises ZooError for any other
    address, if nothing answers there, and without the library.
    """
    local = re.fullmatch(r"local:([0-9]{1,4})", address)
    if not (local and int(local[1])) and not re.fullmatch(r"(tcp|tls)://\S+", address):
        raise ZooError(
            f"--cluster {address!r}: write tcp://HOST:PORT, the address that dask's scheduler "
            "says, or local:4 for four workers on this machine"
        )
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError:
        raise ZooError(
            "--cluster needs distributed, which is not installed: pip install 'nca-zoo[dask]'"
        ) from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # we say what matters
    if not local:
        try:
            client = Client(address, timeout=ANSWER_S, set_as_default=False)
        except Exception as error:  # of the network, of TLS, of another version's protocol
            raise ZooError(f"--cluster {address}: no scheduler answers ({_line(error)})") from None
        with client:
            yield client
        return
    with isolated_children():  # for as long as it stands: workers that die are started anew
        with _no_ctrl_c():
            workers = LocalCluster(
                n_workers=int(local[1]),
                threads_per_worker=1,
                dashboard_address=None,
                memory_limit=0,  # the operating system's business, as it is for --jobs
                silence_logs=logging.CRITICAL,
            )
        with workers, Client(workers, set_as_default=False) as client:
            yield client


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Processes that are started meanwhile leave Ctrl-C to the head."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
