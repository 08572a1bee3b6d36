"""Small made-for-test material that several test files share."""

import gc
import os
import shutil
import signal
import subprocess

import numpy as np
import pytest
import torch
from browsing import (  # noqa: F401
    browser,
    exhibit,
    file_url,
    grey_exhibit,
    kin_exhibit,
    modules,
    page,
    server,
    start,
    visit,
)
from hypothesis import HealthCheck, settings

from nca_zoo.automaton import noise, rule

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # heeded when triton is imported: see interpreted.py
if "PYTEST_XDIST_WORKER" in os.environ:  # as many as there are cores: one is for each of them
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
torch.set_num_threads(1)  # the tensors of the tests are too small to share
os.fsync = lambda descriptor: None  # no test cuts the power, and a disk takes its time

# On several cores a worker takes a whole group of files. These begin, as they are the longest:
# what starts and kills processes; what opens windows and pages; what has UMAP compiled; what
# trains ten NCAs many times; what interprets kernels; and what would end long after all others.
TOGETHER = {
    "processes": ("building/", "store/test_zoowriter"),
    "screen": ("explorer/test_explorer.", "explorer/test_explorer_map", "viewer/test_window",
               "viewer/test_drawing", "repository/test_notebooks"),
    "page": ("explorer/test_explorer_touch", "explorer/test_explorer_ways"),
    "umap": ("studies/test_embedding", "cli/test_store"),
    "bits": ("training/test_bits",),
    "engines": ("life/test_engines",),
    "starts": ("training/test_init",),
    "imagined": ("studies/test_imagined",),
}  # fmt: skip

# No example is wrong because the machine was busy.
patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("patient", settings(), **patient)
settings.load_profile("patient")


def group(nodeid):
    """The group of a test; most files are one by themselves."""
    file = nodeid.partition("::")[0].partition("tests/")[2]
    return next((name for name, files in TOGETHER.items() if file.startswith(files)), file)


def pytest_collection_modifyitems(config, items):
    """In the workers of pytest-xdist, the groups of ``TOGETHER`` begin."""
    if hasattr(config, "workerinput"):
        first = list(TOGETHER)
        items.sort(key=lambda item: (*first, group(item.nodeid)).index(group(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out groups, by our order; pytest-xdist's own ``loadgroup`` fails with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture
def brief_flows(monkeypatch):
    """Flows learn for as many steps as show that they do."""
    from nca_zoo.networks.flow import Size
    from nca_zoo.networks.learning import Schedule
    from nca_zoo.studies.imagining import learn_to_imagine

    brief = Size(schedule=Schedule(60, batch=64, rate=2e-3))
    monkeypatch.setattr(learn_to_imagine, "__defaults__", (brief,))


@pytest.fixture(scope="session")
def kept_digits(tmp_path_factory):
    """A data folder in which the digits lie ready once a test has read them, which takes long."""
    return tmp_path_factory.getbasetemp() / "digits"


@pytest.fixture(scope="session")
def lively_weights():
    """Weights (P,) of an NCA that grows and moves: random, with an update that does something."""

    def make(seed: int, scale: float = 1.0) -> np.ndarray:
        draws = 2 * noise.uniform(seed, rule.N_PARAMS) - 1
        w = rule.unflatten(draws.astype(np.float32)[None])
        size = {"W1": 0.18, "b1": 0.1, "W2": 0.03 * scale, "b2": 0.01 * scale}
        tensors = {name: size[name] * w[name] for name in w}
        tensors["b2"][:, rule.ALPHA] = 0.02  # enough alpha to spread
        return rule.flatten(tensors)[0]

    return make


@pytest.fixture(scope="session")
def display():
    """The name of an X server that nobody sees: one for all tests.

    Tk keeps its connections, and ends the whole process when a server that it once knew goes away.
    """
    if shutil.which("Xvfb") is None:
        pytest.skip("no X server: install Debian's xvfb")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as xvfb:
        number = xvfb.stdout.readline().decode().strip()
        if not number:
            pytest.skip("Xvfb is there but does not start")
        yield f":{number}"
        gc.collect()  # no thread may find a window later: Tcl aborts if one does
        xvfb.terminate()


@pytest.fixture
def strips(monkeypatch):
    """What strips are drawn of, one by one: states by their step, the goal, the words below."""
    shown = []

    def strip(states, target, about, **_):
        shown.append((dict(states), target, about))
        return np.zeros((16, 16, 3), np.uint8)

    monkeypatch.setattr("nca_zoo.viewer.frames.strip", strip)
    return shown
